package tracker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/finder"
	"github.com/sluiceio/sluice/receivers/tail/reader"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a folder and a tracker of its *.log files, whose listings and looks a test makes by hand.
type world struct {
	t       *testing.T
	dir     string
	store   *checkpoint.Store
	reader  *reader.Reader
	tracker *Tracker
	sink    pipelinetest.Recorder
}

func newWorld(t *testing.T, cfg Config) *world {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir}
	globs, err := finder.ParseGlobs([]string{filepath.Join(dir, "*.log")})
	if err != nil {
		t.Fatal(err)
	}
	counter := func() prometheus.Counter { return prometheus.NewCounter(prometheus.CounterOpts{Name: "c"}) }
	log := slog.New(slog.DiscardHandler)
	unreadable := finder.NewUnreadable(log, counter())
	w.store = checkpoint.New(filepath.Join(t.TempDir(), "tail.checkpoint"), log, nil)
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "tail")
	cfg.PollInterval = 100 * time.Millisecond
	w.reader = reader.New(reader.Config{
		Format: record.FormatPlain, PollInterval: cfg.PollInterval, MaxLineBytes: 1 << 10, MaxBatchBytes: 64 << 10,
		MaxInFlight: 1, MaxInFlightBytes: 1 << 20, MaxOpenFiles: 100,
	}, reader.Settings{
		Pipeline: s, Next: &w.sink,
		Metrics: reader.Metrics{
			Lines: counter(), Bytes: counter(), Truncated: counter(), Repaired: counter(), Malformed: counter(), NULs: counter(),
			Refused: counter(), Compressed: counter(), Unwatched: counter(),
			Lost: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lost"}, []string{"reason"}),
		},
		Unreadable: unreadable.Report, Changed: w.store.Changed, Rewritten: func(now *reader.File, part func() *reader.File) { w.tracker.Rewritten(now, part) },
	})
	w.tracker = New(cfg, Settings{
		Finder: finder.New(globs, nil, unreadable.Report), Reader: w.reader, Checkpoint: w.store, Unreadable: unreadable, Log: log,
	})
	return w
}

// round lists the folder, looks at what nobody reads, and lets the readers work for a while.
func (w *world) round() {
	w.tracker.List(w.t.Context(), time.Now())
	w.tracker.lookAround(time.Now())
	time.Sleep(20 * time.Second)
	synctest.Wait()
}

func (w *world) stop() {
	w.reader.StopReading()
	w.reader.Drain(context.Background())
	w.tracker.Close(func([]reader.Remains) bool { return false })
}

func (w *world) write(name, content string) {
	w.t.Helper()
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(content)
		f.Close()
	}
	w.must(err)
}

func (w *world) rename(from, to string) {
	w.t.Helper()
	w.must(os.Rename(filepath.Join(w.dir, from), filepath.Join(w.dir, to)))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// tick waits until what is written now is younger than what was written before, by the file system's clock, which is
// not the bubble's.
func (w *world) tick() {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "tick")
	born := func() time.Time {
		w.must(os.WriteFile(path, []byte("x"), 0o644))
		s, err := fileid.StatPath(path)
		w.must(err)
		w.must(os.Remove(path))
		return s.Born()
	}
	for first := born(); !born().After(first); {
	}
}

// followed is the name, the first name and the offset of each file.
func (w *world) followed() string {
	var out []string
	for _, f := range w.tracker.files {
		out = append(out, fmt.Sprintf("%s as %s to %d", filepath.Base(f.Name()), filepath.Base(f.Path), f.Entry(time.Now()).Offset))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (w *world) want(followed string) {
	w.t.Helper()
	if got := w.followed(); got != followed {
		w.t.Errorf("followed are %s, want %s", got, followed)
	}
}

// TestRotation: a renamed file is the same file, the new one at its name another, and one that is deleted is forgotten.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{MaxDeletedBytes: 1 << 20})
		w.write("a.log", "one\n")
		w.round()
		w.want("a.log as a.log to 4")
		w.rename("a.log", "a.log.1")
		w.write("a.log.1", "unfinished")
		w.write("a.log", "new\n")
		w.round()
		w.round()
		w.want("a.log as a.log to 4, a.log.1 as a.log to 14")
		w.must(os.Remove(filepath.Join(w.dir, "a.log.1")))
		for range 6 {
			w.round()
			time.Sleep(2 * time.Minute) // readers close what is at rest
		}
		w.want("a.log as a.log to 4")
		if absent := w.store.Absent(filepath.Join(w.dir, "a.log")); len(absent) != 0 {
			t.Errorf("%+v", absent)
		}
		if files, unread := w.tracker.Census(); files != 1 || unread != 0 {
			t.Errorf("%d files, %d unread", files, unread)
		}
		w.stop()
	})
}

// TestTwoRotationsBetweenTwoLooks: the file that came and went in between is found by its name and its birth.
func TestTwoRotationsBetweenTwoLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{MaxDeletedBytes: 1 << 20})
		w.write("a.log.9", "old, from before we came\n")
		w.write("a.log", "one\n")
		w.round()
		w.want("a.log as a.log to 4")
		w.tick()
		w.rename("a.log", "a.log.2")
		w.write("a.log.1", "between\n")
		w.write("a.log", "new\n")
		w.round()
		w.round()
		w.want("a.log as a.log to 4, a.log.1 as a.log to 8, a.log.2 as a.log to 4")
		w.stop()
	})
}

// TestWhereReadingBegins: at the checkpoint's offset for known files, also renamed ones; after the last line at the very
// first start; at the beginning for later files.
func TestWhereReadingBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{StartAtEnd: true, MaxDeletedBytes: 1 << 20})
		w.write("known.log", "one\ntwo\n")
		w.write("fresh.log", "one\ntwo\nthr")
		s, err := fileid.StatPath(filepath.Join(w.dir, "known.log"))
		w.must(err)
		w.store.Leave(checkpoint.Entry{Key: s.Key, Fingerprint: fileid.FingerprintOf([]byte("one\n")), Offset: 4, Size: 4, Path: filepath.Join(w.dir, "was.log")}, false)
		w.round()
		w.want("fresh.log as fresh.log to 8, known.log as was.log to 8")
		w.write("later.log", "one\n")
		w.round()
		w.want("fresh.log as fresh.log to 8, known.log as was.log to 8, later.log as later.log to 4")
		if w.sink.Items() != 2 { // the second line of known.log, the first of later.log
			t.Errorf("%d records", w.sink.Items())
		}
		w.stop()
	})
}
