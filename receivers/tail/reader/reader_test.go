package reader

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newReader(t testing.TB, cfg Config, sink pipeline.Sink) *Reader {
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "tail")
	counter := func() prometheus.Counter { return prometheus.NewCounter(prometheus.CounterOpts{Name: "c"}) }
	return New(cfg, Settings{
		Pipeline: s, Next: sink,
		Metrics: Metrics{
			Lines: counter(), Bytes: counter(), Truncated: counter(), Repaired: counter(), Malformed: counter(), NULs: counter(),
			Refused: counter(), Compressed: counter(), Unwatched: counter(),
			Lost: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lost"}, []string{"reason"}),
		},
		Unreadable: func(path string, err error) { t.Errorf("%s: %v", path, err) },
		Changed:    func() {},
	})
}

// plain is a configuration with which one file is read.
var plain = Config{
	Format: record.FormatAuto, PollInterval: 100 * time.Millisecond, MaxLineBytes: 1 << 10, MaxBatchBytes: 64 << 10,
	MaxInFlight: 2, MaxInFlightBytes: 1 << 20, MaxOpenFiles: 1,
}

// open makes a file with a content and begins to read it.
func open(t *testing.T, r *Reader, content string) (*File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := fileid.StatPath(path)
	if err != nil {
		t.Fatal(err)
	}
	f := r.NewFile(Begin{Name: path, Path: path, Stat: s})
	if !r.Start(f, nil) {
		t.Fatal("not started")
	}
	return f, path
}

func appendTo(t *testing.T, path, content string) {
	t.Helper()
	h, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = h.WriteString(content)
		err = errors.Join(err, h.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func bodies(sink *pipelinetest.Recorder) string {
	var out []string
	for _, b := range sink.Batches() {
		out = append(out, recordsOf(b.Request)...)
	}
	return strings.Join(out, " ")
}

// stop ends a reader as the receiver does.
func stop(r *Reader) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r.StopReading()
	r.Drain(ctx)
}

// TestFollow: what is there and what is appended comes as records, the entry moves behind it, and a file at rest is closed.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink pipelinetest.Recorder
		r := newReader(t, plain, &sink)
		f, path := open(t, r, "one\ntwo\nthr")
		time.Sleep(time.Second)
		if got := bodies(&sink); got != `"one" "two"` || f.Entry(time.Now()).Offset != 8 || f.Unread() != 3 {
			t.Errorf("%s, %+v, %d unread", got, f.Entry(time.Now()), f.Unread())
		}
		if other := r.NewFile(Begin{Name: path, Path: path}); r.Start(other, nil) {
			t.Error("more files are open than allowed")
		}
		appendTo(t, path, "ee\n")
		time.Sleep(10 * time.Second)
		if got := bodies(&sink); got != `"one" "two" "three"` || f.Entry(time.Now()).Offset != 14 || f.Unread() != 0 {
			t.Errorf("%s, %+v, %d unread", got, f.Entry(time.Now()), f.Unread())
		}
		time.Sleep(2 * idleClose)
		if f.Reading() || r.OpenFiles() != 1 {
			t.Error("a file at rest has a reader, or is not open any more")
		}
		s, err := fileid.StatPath(path)
		if err != nil || f.Look(s) {
			t.Errorf("a file at rest wants a reader; %v", err)
		}
		s.Size++
		if !f.Look(s) {
			t.Error("a file that grew wants no reader")
		}
		stop(r)
	})
}

// TestRotatedIsFinished: a file whose name leads elsewhere is read to its very end once it is quiet, and then closed.
func TestRotatedIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink pipelinetest.Recorder
		r := newReader(t, plain, &sink)
		f, _ := open(t, r, "one\nunfinished")
		time.Sleep(time.Second)
		if !f.Rotated() || f.Rotated() {
			t.Error("what is new is said once")
		}
		time.Sleep(2 * quiet)
		if got := bodies(&sink); got != `"one" "unfinished"` || f.Reading() || f.Outstanding() {
			t.Errorf("%s; reading %t", got, f.Reading())
		}
		stop(r)
	})
}

// TestRefusedThenDeleted: what is refused comes again and again in order, and what is left of a deleted file that is
// given up is counted.
func TestRefusedThenDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		sink := pipelinetest.Recorder{Answer: func(context.Context, pipeline.Batch) error {
			if down.Load() {
				return pipeline.Refuse(0, errors.New("down"))
			}
			return nil
		}}
		cfg := plain
		cfg.MaxInFlight = 1
		r := newReader(t, cfg, &sink)
		f, path := open(t, r, "one\n")
		time.Sleep(time.Second)
		appendTo(t, path, "two\nthree\n")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if !f.Deleted() || f.DeletedBytes() != 14 || !f.Outstanding() || f.Entry(time.Now()).Offset != 0 {
			t.Errorf("deleted %t, holds %d bytes; %+v", f.Deleted(), f.DeletedBytes(), f.Entry(time.Now()))
		}
		f.GiveUp()
		time.Sleep(10 * time.Second)
		if lost := testutil.ToFloat64(r.metrics.Lost.WithLabelValues(string(pipeline.DropRotatedUnread))); lost != 10 || f.Reading() || f.DeletedBytes() != 0 {
			t.Errorf("%g bytes lost; reading %t", lost, f.Reading())
		}
		down.Store(false)
		time.Sleep(time.Minute)
		if got := bodies(&sink); got != `"one"` || f.Outstanding() {
			t.Errorf("%s", got)
		}
		stop(r)
	})
}

// TestDrainDoesNotWaitForever: a call that hangs is given up when the context ends, and the entry stays before it.
func TestDrainDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t, plain, pipeline.SinkFunc(func(ctx context.Context, _ pipeline.Batch) error {
			<-ctx.Done()
			return pipeline.Withdrawn(ctx)
		}))
		f, _ := open(t, r, "one\n")
		time.Sleep(time.Second)
		begin := time.Now()
		stop(r)
		if took := time.Since(begin); took != time.Second || f.Entry(time.Now()).Offset != 0 {
			t.Errorf("it took %s; %+v", took, f.Entry(time.Now()))
		}
		if r.Start(f, nil) {
			t.Error("started after the end")
		}
	})
}

// TestTruncated: a file that begins differently is read from its beginning, and what was not read of it is counted.
func TestTruncated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink pipelinetest.Recorder
		r := newReader(t, plain, &sink)
		f, path := open(t, r, "one\ntwo\nunfinished")
		time.Sleep(time.Second)
		if err := os.WriteFile(path, []byte("another, longer than what was there\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		want := []string{`"one"`, `"two"`, `"another, longer than what was there"`}
		if got := bodies(&sink); got != strings.Join(want, " ") || f.Entry(time.Now()).Offset != 36 {
			t.Errorf("%s; %+v", got, f.Entry(time.Now()))
		}
		if lost := testutil.ToFloat64(r.metrics.Lost.WithLabelValues(string(pipeline.DropTruncatedUnread))); lost != 10 {
			t.Errorf("%g bytes lost", lost)
		}
		stop(r)
	})
}
