package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/config/configcompression"
	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/spool"
	"github.com/sluiceio/sluice/spool/spooltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a queue on a file system of a test.
func open(t testing.TB, fs *spooltest.FS) *Queue {
	t.Helper()
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	return openFor(t, fs, s)
}

func openFor(t testing.TB, fs *spooltest.FS, s pipeline.Settings) *Queue {
	t.Helper()
	return openWith(t, fs, s, func(*Options) {})
}

func openWith(t testing.TB, fs *spooltest.FS, s pipeline.Settings, change func(*Options)) *Queue {
	t.Helper()
	pool := &buffer.Pool{}
	c, err := payload.NewCompressor(configcompression.TypeZstd, 0, pool)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Dir: "q", FS: fs, Compressor: c, Pool: pool, Consumers: 4, Size: 1 << 30, Sizer: "bytes", OnFull: Refuse, MaxRecord: 1 << 20, SegmentBytes: 64 << 10,
		Books: s.Books, Log: slog.New(slog.DiscardHandler),
	}
	change(&o)
	q, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// batchOf is a batch with a text in place of a request: the queue does not look into it.
func batchOf(text string) pipeline.Batch {
	return pipeline.Batch{Signal: pipeline.Logs, Request: []byte(text), Items: 1}
}

// drain takes everything that a queue has, and looks whether anything is behind that.
func drain(t testing.TB, q *Queue) (texts []string, maybe int) {
	t.Helper()
	for {
		patience := 20 * time.Millisecond
		if q.Status().Items > 0 {
			patience = 10 * time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		it, err := q.Take(ctx)
		cancel()
		if err != nil {
			return texts, maybe
		}
		b, err := it.Batch()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b.Request))
		if it.MaybeSent {
			maybe++
		}
		it.Settle()
	}
}

// TestAnsweredIsStored: what Put has answered with nil is there after a power cut at that moment, and what was settled and
// saved is not.
func TestAnsweredIsStored(t *testing.T) {
	fs := spooltest.NewFS()
	q := open(t, fs)
	const n = 20
	for i := range n {
		if err := q.Put(t.Context(), batchOf(fmt.Sprintf("<%d>", i))); err != nil {
			t.Fatal(err)
		}
		after := open(t, fs.Crash(spooltest.KeepNone))
		got, _ := drain(t, after)
		if len(got) != i+1 {
			t.Fatalf("after the answer to %d and a power cut: %q", i, got)
		}
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := drain(t, q); len(got) != n {
		t.Errorf("%q", got)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, fs.Crash(spooltest.KeepNone))
	if got, _ := drain(t, q); len(got) != 0 {
		t.Errorf("settled, and there again: %q", got)
	}
	_ = q.Close()
}

// TestDiskErrors: a record whose write or fsync fails is refused, never answered with nil and not there; later ones are
// stored again. Nothing that was answered is missing, nothing comes twice.
func TestDiskErrors(t *testing.T) {
	for _, kind := range []string{"sync", "write", "syncdir", "new"} {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS} {
			fs := spooltest.NewFS()
			var failing atomic.Bool
			var hit atomic.Int64
			fs.Hook = func(op spooltest.Op) error {
				if failing.Load() && op.Kind == kind {
					hit.Add(1)
					return cause
				}
				return nil
			}
			q := open(t, fs)
			answered := map[string]bool{}
			put := func(text string) error {
				err := q.Put(t.Context(), batchOf(text))
				if err == nil {
					answered[text] = true
				}
				return err
			}
			for i := range 30 {
				failing.Store(i%3 == 1)
				err := put(fmt.Sprintf("<%d>", i))
				if _, refused := pipeline.AsRefused(err); err != nil && !refused {
					t.Errorf("%s %v: answer %v, want a refusal", kind, cause, err)
				}
				if kind == "sync" && failing.Load() && err == nil {
					t.Errorf("%s %v: answered although the fsync failed", kind, cause)
				}
			}
			failing.Store(false)
			if err := put("<last>"); err != nil {
				t.Errorf("%s %v: still refused: %v", kind, cause, err)
			}
			got, _ := drain(t, q)
			seen := map[string]bool{}
			for _, text := range got {
				if seen[text] {
					t.Errorf("%s %v: %s came twice", kind, cause, text)
				}
				seen[text] = true
			}
			for text := range answered {
				if !seen[text] {
					t.Errorf("%s %v: %s was answered and is not there", kind, cause, text)
				}
			}
			if (kind == "sync" || kind == "write") && hit.Load() == 0 {
				t.Errorf("%s %v: the fault was not reached", kind, cause)
			}
			_ = q.Close()
		}
	}
}

// TestGathering: callers that wait for the same fsync become one record.
func TestGathering(t *testing.T) {
	fs := spooltest.NewFS()
	fs.Hook = func(op spooltest.Op) error {
		if op.Kind == "sync" {
			time.Sleep(5 * time.Millisecond)
		}
		return nil
	}
	q := open(t, fs)
	var callers sync.WaitGroup
	const n = 200
	for i := range n {
		callers.Go(func() {
			if err := q.Put(t.Context(), batchOf(fmt.Sprintf("<%d>", i))); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	s := q.Status()
	if s.Items != n || s.Records > n/5 {
		t.Errorf("%d items in %d records", s.Items, s.Records)
	}
	_ = q.Close()
}

// TestBackIsNextInOrder: what is given back comes before what is younger.
func TestBackIsNextInOrder(t *testing.T) {
	q := open(t, spooltest.NewFS())
	for i := range 3 {
		if err := q.Put(t.Context(), batchOf(fmt.Sprintf("<%d>", i))); err != nil {
			t.Fatal(err)
		}
	}
	it, err := q.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	it.Back(nil, &pipeline.Refused{})
	again, err := q.Take(t.Context())
	if err != nil || again != it || !again.MaybeSent {
		t.Errorf("took %+v, %v", again, err)
	}
	again.Settle()
	if got, maybe := drain(t, q); fmt.Sprint(got) != "[<1> <2>]" || maybe != 0 {
		t.Errorf("then %q, %d of them perhaps sent", got, maybe)
	}
	_ = q.Close()
	if _, err := q.Take(t.Context()); err == nil {
		t.Error("a closed queue gives something")
	}
	if err := q.Put(t.Context(), batchOf("x")); err == nil {
		t.Error("a closed queue takes something")
	}
}

// TestACallerThatLeaves is refused at its deadline; what it gave is stored all the same.
func TestACallerThatLeaves(t *testing.T) {
	fs := spooltest.NewFS()
	hold := make(chan struct{})
	var holding atomic.Bool
	fs.Hook = func(op spooltest.Op) error {
		if op.Kind == "sync" && holding.Load() {
			<-hold
		}
		return nil
	}
	q := open(t, fs)
	if err := q.Put(t.Context(), batchOf("<0>")); err != nil {
		t.Fatal(err)
	}
	holding.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() { _ = q.Put(t.Context(), batchOf("<1>")) }) // writes
	time.Sleep(20 * time.Millisecond)
	wg.Go(func() { _ = q.Put(t.Context(), batchOf("<2>")) }) // gathers
	time.Sleep(20 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, refused := pipeline.AsRefused(q.Put(ctx, batchOf("<3>"))); !refused {
		t.Error("not refused at the deadline")
	}
	holding.Store(false)
	close(hold)
	wg.Wait()
	if s := q.Status(); s.Items != 4 {
		t.Errorf("%d items stored", s.Items)
	}
	_ = q.Close()
}

func BenchmarkPut(b *testing.B) {
	q := open(b, spooltest.NewFS())
	defer q.Close()
	request := make([]byte, 64<<10)
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		if err := q.Put(b.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: request, Items: 200}); err != nil {
			b.Fatal(err)
		}
		it, err := q.Take(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		it.Settle()
	}
}

// TestDamageFoundAtOpen: a record that is damaged while nobody runs is stored at the start and lost, once; what is left is
// delivered, and the books close.
func TestDamageFoundAtOpen(t *testing.T) {
	fs := spooltest.NewFS()
	q := open(t, fs)
	for i := range 3 {
		if err := q.Put(t.Context(), batchOf(strings.Repeat(fmt.Sprintf("<%d>", i), 100))); err != nil {
			t.Fatal(err)
		}
	}
	killed := fs.Kill()
	_ = q.Close()
	damaged := false
	for name, b := range killed.Files() {
		if mark := []byte("logs"); strings.HasSuffix(name, ".seg") && bytes.Contains([]byte(name), mark) {
			at := bytes.Index(b, []byte("zstd")) + 14 // in the body of the first record
			b[at] ^= 0xff
			killed.SetFile(name, b)
			damaged = true
		}
	}
	if !damaged {
		t.Fatal("no file to damage")
	}
	s, l := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	q = openFor(t, killed, s)
	got, _ := drain(t, q)
	_ = q.Close()
	for _, a := range l.Read() {
		if a.Signal != pipeline.Logs {
			continue
		}
		if a.StoredAtStart != (pipeline.Amount{Items: 3, Bytes: 900}) || a.Stored != (pipeline.Amount{}) || a.Dropped[pipeline.DropCorrupt] != (pipeline.Amount{Items: 1, Bytes: 300}) || len(got) != 2 {
			t.Errorf("%d delivered; stored at the start %d, stored %d, dropped %v", len(got), a.StoredAtStart, a.Stored, a.Dropped)
		}
	}
}

// TestOnlyWhatIsSettledIsGone: after a restart the records behind a settled one are all there.
func TestOnlyWhatIsSettledIsGone(t *testing.T) {
	fs := spooltest.NewFS()
	q := open(t, fs)
	for i := range 4 {
		if err := q.Put(t.Context(), batchOf(fmt.Sprintf("<%d>", i))); err != nil {
			t.Fatal(err)
		}
	}
	it, err := q.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	it.Settle()
	_ = q.Close()
	q = open(t, fs)
	if got, _ := drain(t, q); fmt.Sprint(got) != "[<1> <2> <3>]" {
		t.Errorf("%q are left, want the last three", got)
	}
	_ = q.Close()
}

// TestGivenUpWhileNobodyRan: what `queue drop` took from a stopped daemon was stored at its next start, and is dropped by the
// operator, once; the books close.
func TestGivenUpWhileNobodyRan(t *testing.T) {
	fs := spooltest.NewFS()
	q := open(t, fs)
	for i := range 3 {
		if err := q.Put(t.Context(), batchOf(fmt.Sprintf("<%d>", i))); err != nil {
			t.Fatal(err)
		}
	}
	_ = q.Close()
	log, err := spool.Open(spool.Options{Dir: "q/logs", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if got := log.GiveUp(); got.Count != 3 || log.Close() != nil {
		t.Errorf("gave up %+v", got)
	}
	for _, want := range []int64{3, 0} {
		s, l := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
		_ = openFor(t, fs, s).Close()
		for _, a := range l.Read() {
			if a.Signal == pipeline.Logs && (a.StoredAtStart.Items != want || a.Stored.Items != 0 || a.Dropped[pipeline.DropOperator].Items != want) {
				t.Errorf("stored at the start %+v, stored %+v, dropped %v, want %d", a.StoredAtStart, a.Stored, a.Dropped, want)
			}
		}
		if n := l.Unaccounted(); n != 0 {
			t.Errorf("%d unaccounted for", n)
		}
	}
}

// TestFewAreMarkedInAnOutage: a kill while nothing is taken marks what was handed out (one record, and two read ahead), and four more.
func TestFewAreMarkedInAnOutage(t *testing.T) {
	fs := spooltest.NewFS()
	q := open(t, fs)
	for i := range 300 {
		if err := q.Put(t.Context(), batchOf(fmt.Sprintf("<%d>", i))); err != nil {
			t.Fatal(err)
		}
	}
	it, err := q.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	it.Back(nil, pipeline.Refuse(time.Hour, errors.New("away")))
	time.Sleep(500 * time.Millisecond)
	killed := fs.Kill()
	_ = q.Close()
	q = open(t, killed)
	if got, maybe := drain(t, q); len(got) < 10 || maybe < 1 || maybe > 7 {
		t.Errorf("%d came, %d of them perhaps twice", len(got), maybe)
	}
	_ = q.Close()
}
