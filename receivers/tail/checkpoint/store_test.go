package checkpoint

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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

// TestFewChangesAreFewBytes: five lines a second into one of five thousand files cost less than 10 kB/s on disk, and Load
// returns what was saved last.
func TestFewChangesAreFewBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tail.checkpoint")
	var files []Entry
	for i := range 5000 {
		files = append(files, Entry{
			Key: fileid.Key{Dev: 64769, Ino: uint64(1_000_000 + i), Birth: 1_780_000_000_000_000_000 + int64(i)}, Fingerprint: fileid.FingerprintOf([]byte("a line")),
			Offset: 1 << 30, Size: 1 << 30, Path: fmt.Sprintf("/var/log/pods/namespace_deployment-5d4f8c7b9-x%04d_0c9b6a1e-0000-0000-0000-000000000000/container/0.log", i),
		})
	}
	now := time.Unix(1_800_000_000, 0)
	live := func(now time.Time) []Entry {
		for i := range files {
			files[i].Seen = now.Unix()
		}
		return slices.Clone(files)
	}
	s := New(path, slog.New(slog.DiscardHandler), nil)
	s.Changed()
	s.Save(now, live)
	var written int64
	before, err := os.Stat(path)
	for second := range 600 {
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
		files[77].Offset, files[77].Size = files[77].Offset+500, files[77].Size+500
		if second == 300 {
			files = append(files[:3], files[4:]...)
		}
		s.Changed()
		s.Save(now, live)
		var after os.FileInfo
		if after, err = os.Stat(path); err == nil && os.SameFile(before, after) {
			written += after.Size() - before.Size()
		} else if err == nil {
			written += after.Size()
		}
		before = after
	}
	if rate := written / 600; rate > 10_000 || rate == 0 {
		t.Errorf("%d bytes a second", rate)
	} else {
		t.Logf("%d bytes a second", rate)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil || len(got) != len(files) {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for i, e := range got {
		if e.Seen = files[i].Seen; e != files[i] {
			t.Fatalf("%+v, want %+v", e, files[i])
		}
	}
}

// TestAJournalThatIsInTheWay: a checkpoint that somebody removed, or that ends with half a line, is written anew.
func TestAJournalThatIsInTheWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tail.checkpoint")
	e := Entry{Key: fileid.Key{Ino: 1}, Path: "/a.log"}
	s := New(path, slog.New(slog.DiscardHandler), nil)
	save := func() {
		t.Helper()
		e.Offset++
		s.Changed()
		s.Save(time.Now(), func(time.Time) []Entry { return []Entry{e} })
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(b); err != nil || len(got) != 1 || got[0] != e {
			t.Fatalf("%v, %+v, want %+v", err, got, e)
		}
	}
	save()
	save()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	save()
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
