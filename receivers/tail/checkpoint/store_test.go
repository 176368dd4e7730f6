package checkpoint

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// TestSaveAndLoad: what is followed and what is absent is there after a restart, once something changed.
func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "tail.checkpoint")
	now := time.Now()
	live := func(now time.Time) []Entry {
		return []Entry{{Key: fileid.Key{Ino: 1}, Offset: 7, Seen: now.Unix(), Path: "/a.log"}}
	}
	failed := 0
	s := New(path, slog.New(slog.DiscardHandler), func() { failed++ })
	s.Load()
	if s.Existed() {
		t.Error("a checkpoint that is not there existed")
	}
	s.Leave(Entry{Key: fileid.Key{Ino: 2}, Offset: 8, Seen: now.Unix(), Path: "/b.log"}, false)
	s.Save(now, live)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("nothing changed, and it is written: %v", err)
	}
	s.Changed()
	s.Save(now, live)

	s = New(path, slog.New(slog.DiscardHandler), func() { failed++ })
	s.Load()
	got := s.AbsentByPath()
	if !s.Existed() || s.SavedAt().IsZero() || failed > 0 || len(got) != 2 || got["/a.log"][0].Offset != 7 || got["/b.log"][0].Offset != 8 {
		t.Errorf("%d failures, %+v", failed, got)
	}
}

// TestRunSavesChanges: the first save comes soon after the start, the next ones once a second, and only when something
// changed.
func TestRunSavesChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saves := 0
		s := New(filepath.Join(t.TempDir(), "tail.checkpoint"), slog.New(slog.DiscardHandler), nil)
		go s.Run(t.Context(), func(time.Time) []Entry { saves++; return nil })
		s.Changed()
		for _, tt := range []struct {
			wait    time.Duration
			changed bool
			want    int
		}{{saveFirst + time.Millisecond, true, 1}, {SaveEvery / 2, true, 1}, {SaveEvery / 2, false, 2}, {5 * SaveEvery, true, 2}, {SaveEvery, false, 3}} {
			time.Sleep(tt.wait)
			synctest.Wait()
			if saves != tt.want {
				t.Errorf("%d saves, want %d", saves, tt.want)
			}
			if tt.changed {
				s.Changed()
			}
		}
	})
}

// TestOneOwner: a second process gets an error that names the place and the fix, until the first has gone.
func TestOneOwner(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	path := filepath.Join(dir, "tail.checkpoint")
	first, second := New(path, log, nil), New(path, log, nil)
	if err := first.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := second.Lock(); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("the error names no place or no fix: %v", err)
	}
	first.Unlock()
	if err := second.Lock(); err != nil {
		t.Error(err)
	}
	second.Unlock()
}

// TestADamagedCheckpointIsMovedAside: whole entries are used, and the damaged file is kept.
func TestADamagedCheckpointIsMovedAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tail.checkpoint")
	good := Encode(testEntries(4))
	damaged := bytes.Clone(good)
	copy(damaged[len(damaged)/2:], "damage")
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	failed := 0
	s := New(path, slog.New(slog.NewTextHandler(io.Discard, nil)), func() { failed++ })
	s.Load()
	if n := len(s.AbsentByPath()); failed != 1 || !s.Existed() || n < 2 || n > 3 {
		t.Errorf("%d failures, %d entries", failed, n)
	}
	if b, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(b, damaged) {
		t.Errorf("it is not kept: %v", err)
	}
}
