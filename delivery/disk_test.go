package delivery

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/spool"
)

// stored is a destination with a queue on disk; it can be started several times in one folder.
type stored struct {
	t      *testing.T
	dir    string
	dest   *carrier
	queue  QueueConfig
	consum int

	startClosed bool // the queue cannot be opened at first
	k           *Sender
	sink        pipeline.Sink
	ledger      *ledger.Ledger
}

// carrier takes OTLP, as it is stored or made anew.
type carrier struct {
	destination
	compressor *payload.Compressor
}

func (c *carrier) Carries() *payload.Compressor { return c.compressor }

func (c *carrier) Encode(b pipeline.Batch) (Requests, error) {
	return One(b, c.compressor.Payload), nil
}

func newStored(t *testing.T, answer func(context.Context, int, string) answer.Outcome) *stored {
	t.Helper()
	q := DefaultQueueConfig()
	q.Storage = "file_storage"
	d := &carrier{destination: destination{answer: answer}}
	var err error
	if d.compressor, err = payload.NewCompressor("", 0, &d.pool); err != nil {
		t.Fatal(err)
	}
	return &stored{t: t, dir: t.TempDir(), dest: d, queue: q, consum: 4}
}

func (s *stored) start() *stored {
	s.t.Helper()
	settings, l := pipelinetest.Settings(s.t, pipeline.KindExporter, "fake")
	settings.View.Config = &pipeline.Config{Service: pipeline.ServiceConfig{Storages: map[pipeline.ID]pipeline.Storage{
		{Type: "file_storage"}: {Directory: s.dir, Create: true, Fsync: true},
	}}}
	k, err := New(settings, Options{Queue: s.queue, Retry: DefaultRetryConfig(), MaxInFlight: s.consum}, s.dest)
	if err == nil {
		err = k.Start(s.t.Context())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if n := settings.Budget.Used(); !s.startClosed && n < 8<<20 || n > max(8<<20, settings.Budget.Limit()/8) {
		s.t.Errorf("the readers' share is %d bytes of %d", n, settings.Budget.Limit())
	}
	s.k, s.ledger = k, l
	s.sink = settings.Entrance(pipeline.Logs, pipeline.SinkFunc(k.Send))
	return s
}

func (s *stored) stop() {
	s.t.Helper()
	s.k.Drain()
	begin := time.Now()
	if err := s.k.Stop(s.t.Context()); err != nil {
		s.t.Error(err)
	}
	if took := time.Since(begin); took > time.Second {
		s.t.Errorf("the stop took %s", took)
	}
	if n := s.k.settings.Budget.Used(); n != 0 {
		s.t.Errorf("%d bytes of the budget are not given back", n)
	}
	s.closes()
}

// closes checks the ledger's equation, at rest.
func (s *stored) closes() {
	s.t.Helper()
	a := s.account()
	lost := int64(0)
	for why, d := range a.Dropped {
		if why != pipeline.DropQueueNewest { // it was never in the queue
			lost += d.Items
		}
	}
	if a.StoredAtStart.Items+a.Out.Items != a.Delivered.Items+lost+a.Stored.Items {
		s.t.Errorf("stored at start %d + out %d != delivered %d + lost %d + stored %d", a.StoredAtStart, a.Out.Items, a.Delivered.Items, lost, a.Stored)
	}
	if n := s.ledger.Unaccounted(); n != 0 {
		s.t.Errorf("%d unaccounted for", n)
	}
}

func (s *stored) account() pipeline.Statement {
	for _, a := range s.ledger.Read() {
		if a.Signal == pipeline.Logs {
			return a
		}
	}
	return pipeline.Statement{}
}

func (s *stored) put(tenant string, bodies ...string) error {
	b := logsOf(bodies...)
	b.Origin.Tenant = tenant
	return s.sink.Consume(s.t.Context(), b)
}

func (s *stored) empty() {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for s.k.disk.q.Load().Status().Records > 0 {
		if time.Now().After(deadline) {
			s.t.Fatalf("not delivered: %+v", s.k.disk.q.Load().Status())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *stored) bodies() map[string]int {
	seen := map[string]int{}
	for _, body := range s.dest.arrived() {
		for _, b := range bodiesOf(body) {
			seen[b]++
		}
	}
	return seen
}

// TestStoredThroughAnOutage: what is put while the destination is away is answered at once, survives two restarts, and
// arrives once.
func TestStoredThroughAnOutage(t *testing.T) {
	var up atomic.Bool
	s := newStored(t, func(context.Context, int, string) answer.Outcome {
		if !up.Load() {
			return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errBusy}
		}
		return answer.Outcome{Code: "200"}
	})
	const rounds, n = 3, 40
	held := pipeline.Amount{}
	for round := range rounds {
		s.start()
		if got := s.account().StoredAtStart; got != held {
			t.Errorf("round %d: stored at the start %+v, and %+v before", round, got, held)
		}
		if want := int64(round * n); s.account().StoredAtStart.Items != want {
			t.Errorf("round %d: %d stored at the start, want %d", round, s.account().StoredAtStart, want)
		}
		var callers sync.WaitGroup
		for i := range n {
			callers.Go(func() {
				begin := time.Now()
				if err := s.put("", fmt.Sprintf("%d-%d", round, i)); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took > time.Second {
					t.Errorf("the caller waited %s for a destination that is away", took)
				}
			})
		}
		callers.Wait()
		s.closes()
		if held = s.account().Stored; held.Bytes == 0 || held.Bytes != s.account().StoredAtStart.Bytes+s.account().Out.Bytes {
			t.Errorf("round %d: %+v", round, s.account())
		}
		if round < rounds-1 {
			s.stop()
		}
	}
	up.Store(true)
	s.empty()
	s.stop()
	seen := s.bodies()
	for b, times := range seen {
		if times != 1 {
			t.Errorf("%s arrived %d times", b, times)
		}
	}
	if len(seen) != rounds*n {
		t.Errorf("%d of %d arrived", len(seen), rounds*n)
	}
	if a := s.account(); a.Stored != (pipeline.Amount{}) || a.Delivered.Items != rounds*n || a.Delivered.Bytes != held.Bytes {
		t.Errorf("in the end: %+v", a)
	}
}

// TestStoredAndRejected: one bad record costs itself, goes to the dead letters with the destination's words, and does not
// come again after a restart.
func TestStoredAndRejected(t *testing.T) {
	s := newStored(t, rejecting(func(b string) string { return "400 Bad Request: " + b })).start()
	if err := s.put("", "a", "bad one", "c", "d"); err != nil {
		t.Fatal(err)
	}
	s.empty()
	if a := s.account(); a.Dropped[pipeline.DropRejected].Items != 1 || a.Delivered.Items != 3 {
		t.Errorf("the books say %+v", a)
	}
	s.stop()
	var letters []string
	err := spool.Scan(filepath.Join(s.dir, "exporter_fake", "dead_letters"), func(e spool.Entry) error {
		letters = append(letters, string(e.Header)+fmt.Sprint(bodiesOf(string(e.Body))))
		return nil
	})
	if err != nil || len(letters) != 1 || !strings.Contains(letters[0], "400 Bad Request: bad one") || !strings.HasSuffix(letters[0], "[bad one]") {
		t.Errorf("dead letters: %q, %v", letters, err)
	}
	n := s.dest.attempts()
	s.start()
	time.Sleep(50 * time.Millisecond)
	s.stop()
	if s.dest.attempts() != n {
		t.Error("it was sent again")
	}
}

// TestACountWithoutItems: a destination that takes a part, and only says how many it does not take: the whole record is a dead letter
// that says so.
func TestACountWithoutItems(t *testing.T) {
	s := newStored(t, func(context.Context, int, string) answer.Outcome {
		return answer.Outcome{Code: "200", Items: 2, Reason: pipeline.DropRejected, Err: errors.New("two are too old")}
	}).start()
	if err := s.put("", "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	s.empty()
	if a := s.account(); a.Dropped[pipeline.DropRejected].Items != 2 || a.Delivered.Items != 1 {
		t.Errorf("the books say %+v", a)
	}
	s.stop()
	var letters []string
	err := spool.Scan(filepath.Join(s.dir, "exporter_fake", "dead_letters"), func(e spool.Entry) error {
		h, err := queue.ParseHeader(e.Header)
		letters = append(letters, fmt.Sprintf("%d of %d: %s %s", h.Rejected, e.Count, h.Words, bodiesOf(string(e.Body))))
		return err
	})
	if want := "[2 of 3: two are too old [a b c]]"; err != nil || fmt.Sprint(letters) != want {
		t.Errorf("dead letters: %s, %v; want %s", letters, err, want)
	}
}

// TestAHeldLaneHoldsOnlyItself: a tenant whose credentials are refused does not keep the others waiting, nor is it asked
// all the time.
func TestAHeldLaneHoldsOnlyItself(t *testing.T) {
	s := newStored(t, func(_ context.Context, _ int, body string) answer.Outcome {
		if strings.HasPrefix(bodiesOf(body)[0], "held") {
			return answer.Outcome{Verdict: answer.Misconfigured, Code: "401", Err: errors.New("401 Unauthorized")}
		}
		return answer.Outcome{Code: "200"}
	}).start()
	const n = 50
	for i := range n {
		if err := errors.Join(s.put("held", fmt.Sprint("held", i)), s.put("free", fmt.Sprint("free", i))); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for len(s.bodies()) < n && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if len(s.bodies()) != n {
		t.Errorf("%d of %d arrived beside the held lane", len(s.bodies()), n)
	}
	if vain := s.dest.attempts() - n; vain > 20 {
		t.Errorf("%d attempts at the held lane", vain)
	}
	for s.account().Stored.Items != n && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if a := s.account(); a.Stored.Items != n {
		t.Errorf("%d are stored, want %d", a.Stored, n)
	}
	s.stop()
}

// TestAFullQueue by its policies.
func TestAFullQueue(t *testing.T) {
	away := func(context.Context, int, string) answer.Outcome {
		return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errBusy}
	}
	t.Run("refuse", func(t *testing.T) {
		s := newStored(t, away)
		s.queue.QueueSize = 3
		s.start()
		for range 3 {
			if err := s.put("", "x"); err != nil {
				t.Fatal(err)
			}
		}
		ref, refused := pipeline.AsRefused(s.put("", "x"))
		if !refused || !ref.Overload || ref.After == 0 {
			t.Errorf("answer %v", ref)
		}
		s.stop()
	})
	t.Run("drop_newest", func(t *testing.T) {
		s := newStored(t, away)
		s.queue.QueueSize, s.queue.OnFull = 3, "drop_newest"
		s.start()
		for range 5 {
			if err := s.put("", "x"); err != nil {
				t.Fatal(err)
			}
		}
		if a := s.account(); a.Dropped[pipeline.DropQueueNewest].Items != 2 || a.Stored.Items != 3 {
			t.Errorf("%+v", a)
		}
		s.stop()
	})
	t.Run("drop_oldest", func(t *testing.T) {
		var up atomic.Bool
		s := newStored(t, func(_ context.Context, n int, body string) answer.Outcome {
			if !up.Load() {
				return away(nil, n, body)
			}
			return answer.Outcome{Code: "200"}
		})
		s.queue.QueueSize, s.queue.OnFull, s.consum = 5, "drop_oldest", 1
		s.start()
		for i := range 9 {
			if err := s.put("", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		a := s.account()
		lost := a.Dropped[pipeline.DropQueueOldest].Items
		if lost == 0 || lost+a.Stored.Items != 9 {
			t.Errorf("%+v", a)
		}
		up.Store(true)
		s.empty()
		if seen := s.bodies(); seen["8"] != 1 || int64(len(seen)) != 9-lost {
			t.Errorf("arrived: %v, %d lost", seen, lost)
		}
		s.stop()
	})
	t.Run("block", func(t *testing.T) {
		var up atomic.Bool
		s := newStored(t, func(_ context.Context, n int, body string) answer.Outcome {
			if !up.Load() {
				return away(nil, n, body)
			}
			return answer.Outcome{Code: "200"}
		})
		s.queue.QueueSize, s.queue.BlockOnOverflow = 2, true
		s.start()
		for range 2 {
			if err := s.put("", "x"); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, refused := pipeline.AsRefused(s.sink.Consume(ctx, logsOf("x"))); !refused {
			t.Error("it was not refused at its deadline")
		}
		done := make(chan error)
		go func() { done <- s.put("", "waits") }()
		select {
		case err := <-done:
			t.Errorf("it did not wait: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		up.Store(true)
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.empty()
		s.stop()
	})
}

// TestStoredPartlyRefused: what the destination took of a record is not sent again, what it refused is.
func TestStoredPartlyRefused(t *testing.T) {
	var down atomic.Bool
	s := newStored(t, func(_ context.Context, n int, body string) answer.Outcome {
		bodies := bodiesOf(body)
		switch {
		case n == 1:
			return answer.Outcome{Verdict: answer.Rejected, Code: "400", Reason: pipeline.DropRejected, Err: errors.New("bad")}
		case down.Load() && bodies[0] == "late":
			return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errBusy}
		}
		return answer.Outcome{Code: "200"}
	})
	down.Store(true)
	s.start()
	if err := s.put("", "a", "b", "late", "d"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for s.account().Stored.Items != 1 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	down.Store(false)
	s.empty()
	for _, b := range []string{"a", "b", "late", "d"} {
		if s.bodies()[b] != 1 {
			t.Errorf("%s arrived %d times", b, s.bodies()[b])
		}
	}
	s.stop()
}

// TestStorageFaults: errors that name the place.
func TestStorageFaults(t *testing.T) {
	q := DefaultQueueConfig()
	q.Storage, q.WaitForResult, q.OnFull, q.MaxAge, q.Enabled = "file_storage", true, "explode", -1, false
	err := q.Validate()
	for _, want := range []string{"wait_for_result", "on_full", "max_age", "enabled"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault names %s: %v", want, err)
		}
	}
	s := newStored(t, nil)
	s.start()
	settings, _ := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	settings.View.Config = &pipeline.Config{Service: pipeline.ServiceConfig{Storages: map[pipeline.ID]pipeline.Storage{{Type: "file_storage"}: {Directory: s.dir, Create: true}}}}
	k, err := New(settings, Options{Queue: s.queue, Retry: DefaultRetryConfig(), MaxInFlight: 1}, s.dest)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Start(t.Context()); err == nil || !strings.Contains(err.Error(), s.dir) {
		t.Errorf("a second queue in the folder: %v", err)
	}
	k.Drain()
	_ = k.Stop(t.Context())
	s.stop()
}

// TestDuplicatesThatWeKnowOf: only what may have arrived counts when it is delivered again: after no answer, not after 503 or
// 429; and after a restart what was out.
func TestDuplicatesThatWeKnowOf(t *testing.T) {
	for name, c := range map[string]struct {
		first answer.Outcome
		want  int64
	}{
		"503":       {answer.Outcome{Verdict: answer.Retry, Code: "503", Unsure: true, Err: errBusy}, 0},
		"429":       {answer.Outcome{Verdict: answer.Retry, Code: "429", Overload: true, Err: errBusy}, 0},
		"504":       {answer.Outcome{Verdict: answer.Retry, Code: "504", Unsure: true, Err: errBusy}, 3},
		"no answer": {answer.Outcome{Verdict: answer.Retry, Code: answer.CodeTimeout, Unsure: true, Err: answer.ErrTimeout}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t, func(_ context.Context, n int, _ string) answer.Outcome {
				if n == 1 {
					return c.first
				}
				return answer.Outcome{Code: "200"}
			}).start()
			if err := s.put("", "a", "b", "c"); err != nil {
				t.Fatal(err)
			}
			s.empty()
			if n := s.account().DeliveredAfterRefusal; n != c.want {
				t.Errorf("%d possible duplicates, want %d", n, c.want)
			}
			s.stop()
		})
	}
	t.Run("restart", func(t *testing.T) {
		var up atomic.Bool
		s := newStored(t, func(context.Context, int, string) answer.Outcome {
			if up.Load() {
				return answer.Outcome{Code: "200"}
			}
			return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errBusy}
		}).start()
		if err := s.put("", "a", "b"); err != nil {
			t.Fatal(err)
		}
		for s.dest.attempts() == 0 {
			time.Sleep(time.Millisecond)
		}
		s.stop()
		up.Store(true)
		s.start()
		s.empty()
		if n := s.account().DeliveredAfterRefusal; n != 2 {
			t.Errorf("%d possible duplicates, want 2", n)
		}
		s.stop()
	})
}
