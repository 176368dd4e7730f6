package traces

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/sluiceio/sluice/api/tempo"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/store/traces/tracestest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		runChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// open opens a store whose clock stands at tracestest.Epoch, and closes it when the test ends.
func open(t testing.TB, dir string, o Options) (*Store, *tracestest.Clock, *ledger.Ledger) {
	t.Helper()
	s, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	c := tracestest.NewClock()
	if o.Now == nil {
		o.Now = c.Now
	}
	st, err := Open(s, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st, c, ledger
}

func (s *Store) mustAppend(t testing.TB, text string) {
	t.Helper()
	sink := s.settings.Entrance(pipeline.Traces, pipeline.SinkFunc(s.Append))
	if err := pipelinetest.Final(sink.Consume(t.Context(), tracestest.BatchOf(t, tracestest.SpanText(t, text)))); err != nil {
		t.Fatal(err)
	}
}

// mustTrace returns the spans of a trace as spanIDs lists them.
func (s *Store) mustTrace(t testing.TB, id string) []string {
	t.Helper()
	var tid traceql.ID
	tracestest.FillHex(t, tid[:], id)
	got, err := s.Trace(t.Context(), tid)
	if err != nil {
		t.Fatal(err)
	}
	return tracestest.SpanIDs(got.Spans)
}

// answers is the API over a store, to ask it with.
func answers(s *Store) http.Handler { return tempo.New(s.settings, s) }

func TestAppendRejectsOtherSignals(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{})
	err := st.Append(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Items: 3})
	if r, ok := pipeline.AsRejected(err); !ok || r.Count != 3 {
		t.Errorf("error %v, want a rejection of 3", err)
	}
}

func TestAppendOfACallerThatIsGoneIsRefused(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := st.Append(ctx, tracestest.BatchOf(t, tracestest.SpanText(t, "span 1/1 - a server 0s 1s")))
	if _, ok := pipeline.AsRefused(err); !ok {
		t.Errorf("error %v, want a refusal", err)
	}
	if got := st.mustTrace(t, "1"); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}

func TestClosedStoreRefusesAndAnswers503(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{})
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	err := st.Append(t.Context(), tracestest.BatchOf(t, tracestest.SpanText(t, "span 1/1 - a server 0s 1s")))
	if _, ok := pipeline.AsRefused(err); !ok {
		t.Errorf("error %v, want a refusal", err)
	}
	if w := tracestest.Ask(answers(st), "/tempo/api/search", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("search answers %d", w.Code)
	}
	if _, err := st.DropOldest(t.Context()); err == nil {
		t.Error("DropOldest succeeds")
	}
	if n := st.DiskBytes(); n != 0 {
		t.Errorf("DiskBytes %d", n)
	}
}

func TestSecondProcessIsKeptOut(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	if st, err := Open(s, dir, Options{}); err == nil {
		_ = st.Close()
		t.Fatal("two stores on one folder")
	}
}

func TestFormatOfTheFutureIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	st, _, _ := open(t, dir, Options{})
	if err := st.db.Set([]byte{rowVersion}, []byte{formatVersion + 1}, nil); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	_, err := Open(s, dir, Options{})
	if err == nil || !strings.Contains(err.Error(), "format") {
		t.Errorf("error %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	_, err := Open(s, t.TempDir(), Options{Retention: time.Minute, MemoryBytes: 1, MaxBytes: -1})
	for _, want := range []string{"retention", "memory", "disk"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %s", err, want)
		}
	}
}

// TestReopen looks for spans after a restart, and for the hours that say where to look.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	st, _, _ := open(t, dir, Options{})
	st.mustAppend(t, "resource service.name=shop\nspan 1/1 - a server -3h 1s\nspan 1/2 1 b client -5m 1s")
	oldest, _ := st.Oldest()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st, _, _ = open(t, dir, Options{})
	if again, ok := st.Oldest(); !ok || !again.Equal(oldest) {
		t.Errorf("oldest %v, before %v", again, oldest)
	}
	if got := st.mustTrace(t, "1"); len(got) != 2 {
		t.Errorf("spans %v", got)
	}
}

// TestRetriedSpansAreShownOnce repeats a batch, and then one of its spans with other neighbours.
func TestRetriedSpansAreShownOnce(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{})
	const first = "resource service.name=shop\nspan 1/1 - a server -10s 1s\nspan 1/2 1 b client -9s 1s\n"
	st.mustAppend(t, first)
	st.mustAppend(t, first)
	st.mustAppend(t, "resource service.name=shop\nspan 1/2 1 b client -9s 1s\nspan 1/3 1 c client -8s 1s")
	// The same id with another name or start is another span (Zipkin shares ids between the sides of a call).
	st.mustAppend(t, "resource service.name=pay\nspan 1/2 1 b2 server -9s 1s\nspan 1/2 1 b server -7s 1s")
	got := st.mustTrace(t, "1")
	slices.Sort(got)
	id := "00000000000000000000000000000001/000000000000000"
	want := []string{id + "1", id + "2", id + "2", id + "2", id + "3"}
	if !slices.Equal(got, want) {
		t.Errorf("spans %v, want %v", got, want)
	}
	found, _, err := st.found(t.Context(), searchFor(t, `{ resource.service.name = "shop" }`))
	if err != nil || len(found) != 1 || found[0].matched != 3 {
		t.Errorf("search found %+v, %v; want 3 spans", found, err)
	}
	if n := rows(t, st, rowFragment); n != 3 {
		t.Errorf("%d fragments, want 3: the repeated batch is the same fragment", n)
	}
}

func TestTraceIsFoundAcrossHoursAndDays(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{})
	for i, start := range []string{"-100h", "-30h", "-25h", "-3h", "-2s"} {
		st.mustAppend(t, fmt.Sprintf("span 7/%d - s%d server %s 1s", i+1, i, start))
		st.mustAppend(t, fmt.Sprintf("span %d/1 - other server %s 1s", 100+i, start))
	}
	if got := st.mustTrace(t, "7"); len(got) != 5 {
		t.Errorf("spans %v, want 5", got)
	}
	if got := st.mustTrace(t, "102"); len(got) != 1 {
		t.Errorf("spans %v, want 1", got)
	}
}

// TestFullDisk lets the write-ahead log fail: the caller is refused, later ones at once, reading goes on, and a
// restart has what was acknowledged.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	var full errorfs.Toggle
	full.Injector = errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSync) {
			return syscall.ENOSPC
		}
		return nil
	})
	s, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	st, err := Open(s, dir, Options{fs: errorfs.Wrap(vfs.Default, &full), Now: func() time.Time { return tracestest.Epoch }})
	if err != nil {
		t.Fatal(err)
	}
	st.mustAppend(t, "span 1/1 - a server -10s 1s")
	full.On()
	for i := range 3 {
		// Larger than a block of the log, so that the library itself notices.
		err := st.Append(t.Context(), tracestest.BatchOf(t, tracestest.SpanText(t, "span 2/1 - a server -10s 1s noise="+tracestest.Noise(200_000, i))))
		if _, ok := pipeline.AsRefused(err); !ok {
			t.Fatalf("append %d with a full disk: %v", i, err)
		}
	}
	if got := st.mustTrace(t, "1"); len(got) != 1 {
		t.Errorf("spans %v", got)
	}
	if w := tracestest.Ask(answers(st), "/tempo/ready", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("ready answers %d", w.Code)
	}
	if delivered, drops := tracestest.Account(ledger); delivered != 1 || len(drops) != 0 {
		t.Errorf("delivered %d, dropped %v", delivered, drops)
	}
	if err := st.Close(); err == nil {
		t.Error("Close of a broken store succeeds")
	}
}

func TestQueriesEndWithTheirClientAndTheStore(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{MaxQueries: 1})
	for i := range 200 {
		st.mustAppend(t, fmt.Sprintf("span %x/1 - a server -10s 1s", i+1))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := st.found(ctx, searchFor(t, `{ name = "b" }`)); !errors.Is(err, context.Canceled) {
		t.Errorf("search of a client that is gone: %v", err)
	}
	st.queries <- struct{}{} // the only place is taken
	done := make(chan int)
	go func() { done <- tracestest.Ask(answers(st), "/tempo/api/search", "").Code }()
	st.end() // as Close begins
	if code := <-done; code != http.StatusServiceUnavailable {
		t.Errorf("a waiting query answers %d when the store closes", code)
	}
}

// TestLedgerCloses sends good and bad spans through an entrance as the graph has it.
func TestLedgerCloses(t *testing.T) {
	st, _, ledger := open(t, t.TempDir(), Options{})
	entrance := st.settings.Entrance(pipeline.Traces, pipeline.SinkFunc(st.Append))
	b := tracestest.BatchOf(t, tracestest.SpanText(t, "span 1/1 - a server -5s 1s\nspan 0/1 - b server -5s 1s\nspan 2/1 - c server -900h 1s"))
	if r, is := pipeline.AsRejected(entrance.Consume(t.Context(), b)); !is || r.Len() != 2 {
		t.Fatalf("the sender is told %v, want that two spans were rejected", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := entrance.Consume(ctx, b); err == nil {
		t.Error("a caller that is gone is answered nil")
	}
	delivered, drops := tracestest.Account(ledger)
	if delivered != 1 || drops[pipeline.DropInvalid] != 1 || drops[pipeline.DropTooOld] != 1 {
		t.Errorf("delivered %d, dropped %v", delivered, drops)
	}
	if n := ledger.Unaccounted(); n != 0 {
		t.Errorf("%d items are unaccounted", n)
	}
}

// TestConcurrentUse appends, searches, reads, drops and measures at once; the race detector watches. Traces of the
// newest hour, which is not dropped, are all there in the end.
func TestConcurrentUse(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{})
	const each = 60
	var group sync.WaitGroup
	for w := range 3 {
		group.Go(func() {
			for i := range each {
				st.mustAppend(t, fmt.Sprintf("span %x/1 - new server -5m 1s\nspan %x/1 - old server -%dh 1s",
					traceNumber(w, i), traceNumber(9+w, i), 2+i%20))
			}
		})
	}
	group.Go(func() {
		for range each / 4 {
			st.DiskBytes()
			if oldest, ok := st.Oldest(); !ok || tracestest.Epoch.Sub(oldest) <= time.Hour {
				continue
			}
			if _, err := st.DropOldest(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	for _, path := range []string{"/tempo/api/search", "/tempo/api/v2/search/tags", "/tempo/api/v2/traces/" + fmt.Sprintf("%x", traceNumber(0, 0))} {
		group.Go(func() {
			for range each {
				if w := tracestest.Ask(answers(st), path, ""); w.Code != http.StatusOK && w.Code != http.StatusNotFound {
					t.Errorf("%s answers %d %s", path, w.Code, w.Body)
				}
			}
		})
	}
	group.Wait()
	for w := range 3 {
		for i := range each {
			id := fmt.Sprintf("%x", traceNumber(w, i))
			if got := st.mustTrace(t, id); len(got) == 0 {
				t.Fatalf("trace %s is gone", id)
			}
		}
	}
}
