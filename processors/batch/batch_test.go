package batch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logs is a request of n records whose bodies are name-0, name-1, ...
func logs(name string, n int) pipeline.Batch {
	b, res := wire.BeginMessage(nil, wire.FieldRequestResource)
	b, scope := wire.BeginMessage(b, wire.FieldResourceXScope)
	for i := range n {
		var rec int
		b, rec = wire.BeginMessage(b, wire.FieldScopeXItem)
		var body int
		b, body = wire.BeginMessage(b, wire.FieldLogBody)
		b = wire.AppendString(b, wire.FieldValueString, fmt.Sprintf("%s-%d", name, i))
		b = wire.EndMessage(b, body)
		b = wire.EndMessage(b, rec)
	}
	b = wire.EndMessage(b, scope)
	return pipeline.Batch{Signal: wire.Logs, Request: wire.EndMessage(b, res), Items: n}
}

// bodies lists the record bodies of a request, in order.
func bodies(r wire.Request) []string {
	var out []string
	for res := r.Resources(); res.Next(); {
		for sc := res.Scopes(); sc.Next(); {
			for it := sc.Items(); it.Next(); {
				rec := wire.ParseLog(it.Bytes())
				out = append(out, string(rec.Body.Str()))
			}
		}
	}
	return out
}

func newProcessor(t *testing.T, cfg *Config, next pipeline.Sink) (*Processor, *ledger.Ledger) {
	t.Helper()
	s, ledger := pipelinetest.Settings(t, pipeline.KindProcessor, "batch")
	p, err := New(s, cfg, next)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*Processor), ledger
}

// slow is a sink that answers after a while and remembers what it saw.
func slow(wait time.Duration) *pipelinetest.Recorder {
	return &pipelinetest.Recorder{Answer: func(ctx context.Context, _ pipeline.Batch) error {
		select {
		case <-time.After(wait):
			return nil
		case <-ctx.Done():
			return pipeline.Withdrawn(ctx)
		}
	}}
}

func TestFirstRequestsGoAtOnceAndLaterOnesAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := slow(20 * time.Millisecond)
		cfg := Default()
		cfg.MaxInFlight = 2
		p, _ := newProcessor(t, cfg, sink)
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if err := p.Consume(t.Context(), logs(fmt.Sprint("c", i), 3)); err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		// Two go at once; the other eight wait together and go when the first returns.
		if got := len(sink.Batches()); got != 3 {
			t.Errorf("%d requests went out, want 3", got)
		}
		if got := sink.Items(); got != 30 {
			t.Errorf("%d items arrived, want 30", got)
		}
		if took := time.Since(begin); took != 40*time.Millisecond {
			t.Errorf("took %s, want two round trips of 20ms", took)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTimeoutAndSizeEndTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Default()
		cfg.MaxInFlight, cfg.SendBatchSize = 1, 10
		sink := slow(time.Hour)
		p, _ := newProcessor(t, cfg, sink)
		var started atomic.Int32
		answer := sink.Answer
		sink.Answer = func(ctx context.Context, b pipeline.Batch) error {
			started.Add(1)
			return answer(ctx, b)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		call := func(n int) {
			wg.Go(func() {
				if err := p.Consume(ctx, logs("x", n)); err == nil {
					t.Error("a cancelled caller got nil")
				}
			})
			synctest.Wait()
		}
		want := func(n int32, when string) {
			t.Helper()
			synctest.Wait()
			if got := started.Load(); got != n {
				t.Errorf("%s: %d requests are out, want %d", when, got, n)
			}
		}
		call(1)
		want(1, "the first")
		call(4)
		call(5)
		want(1, "nine items wait")
		call(1)
		want(2, "ten items do not wait")
		call(1)
		want(2, "one item waits")
		time.Sleep(cfg.Timeout)
		want(3, "until the timeout")
		cancel()
		wg.Wait()
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// occupied starts one request that stays out until release is called, so that what follows is merged.
func occupied(t *testing.T, p *Processor, gate chan struct{}) (release func()) {
	var wg sync.WaitGroup
	wg.Go(func() { p.Consume(context.WithValue(t.Context(), gateKey{}, gate), logs("gate", 1)) })
	synctest.Wait()
	return func() { close(gate); wg.Wait() }
}

type gateKey struct{}

// gated waits on the gate of a caller that brought one.
func gated(answer func(ctx context.Context, b pipeline.Batch) error) *pipelinetest.Recorder {
	return &pipelinetest.Recorder{Answer: func(ctx context.Context, b pipeline.Batch) error {
		if gate, ok := ctx.Value(gateKey{}).(chan struct{}); ok {
			<-gate
			return nil
		}
		return answer(ctx, b)
	}}
}

func TestPartialSuccessIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		sink := gated(func(_ context.Context, b pipeline.Batch) error {
			calls.Add(1)
			return pipeline.Reject(2, pipeline.DropRejected, errors.New("two were bad"))
		})
		cfg := Default()
		cfg.MaxInFlight = 1
		p, ledger := newProcessor(t, cfg, sink)
		release := occupied(t, p, make(chan struct{}))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := p.Consume(t.Context(), logs("x", 5)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		if calls.Load() != 1 {
			t.Errorf("%d requests, want one: a repeated partial success doubles what was delivered", calls.Load())
		}
		var dropped int64
		for _, a := range ledger.Read() {
			dropped += a.Dropped[pipeline.DropRejected].Items
		}
		if dropped != 2 {
			t.Errorf("%d items counted as rejected, want 2", dropped)
		}
	})
}

func TestACallerThatLeavesTakesOnlyItsOwnBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := gated(func(ctx context.Context, _ pipeline.Batch) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return pipeline.Withdrawn(ctx)
			}
		})
		cfg := Default()
		cfg.MaxInFlight, cfg.Timeout = 1, time.Hour
		p, ledger := newProcessor(t, cfg, sink)
		release := occupied(t, p, make(chan struct{}))

		early, cancelEarly := context.WithCancel(t.Context())
		late, cancelLate := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancelLate()
		var errs [4]error
		var wg sync.WaitGroup
		for i, ctx := range []context.Context{t.Context(), early, late, t.Context()} {
			wg.Go(func() { errs[i] = p.Consume(ctx, logs(fmt.Sprint("c", i), 2)) })
			synctest.Wait()
		}
		cancelEarly() // before the batch goes: its bytes are taken out
		synctest.Wait()
		release()
		wg.Wait()
		if errs[0] != nil || errs[3] != nil {
			t.Errorf("callers that stayed got %v and %v", errs[0], errs[3])
		}
		for _, i := range []int{1, 2} {
			if _, again := pipeline.AsRefused(errs[i]); !again {
				t.Errorf("caller %d left and got %v, want a refusal", i, errs[i])
			}
		}
		got := bodies(sink.Batches()[len(sink.Batches())-1].Request)
		if want := "c0-0 c0-1 c2-0 c2-1 c3-0 c3-1"; strings.Join(got, " ") != want {
			t.Errorf("the merged request has %v, want %s", got, want)
		}
		if n := repeated(ledger); n != 2 {
			t.Errorf("%v items delivered after refusal, want 2", n)
		}
	})
}

func TestWhenAllCallersLeaveTheRequestIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled := make(chan struct{})
		sink := gated(func(ctx context.Context, _ pipeline.Batch) error {
			<-ctx.Done()
			close(cancelled)
			return pipeline.Withdrawn(ctx)
		})
		cfg := Default()
		cfg.MaxInFlight = 1
		p, _ := newProcessor(t, cfg, sink)
		release := occupied(t, p, make(chan struct{}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { p.Consume(ctx, logs("x", 1)) })
		}
		<-cancelled
		wg.Wait()
		release()
	})
}

func TestTenantsAndRoutesAreNeverMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := slow(20 * time.Millisecond)
		cfg := Default()
		cfg.MaxInFlight = 1
		p, _ := newProcessor(t, cfg, sink)
		var wg sync.WaitGroup
		for i := range 30 {
			b := logs(fmt.Sprint("t", i%3), 1)
			b.Origin.Tenant = fmt.Sprint("t", i%3)
			wg.Go(func() { p.Consume(t.Context(), b) })
		}
		wg.Wait()
		for _, b := range sink.Batches() {
			for _, body := range bodies(b.Request) {
				if !strings.HasPrefix(body, b.Origin.Tenant+"-") {
					t.Errorf("a batch of tenant %s carries %s", b.Origin.Tenant, body)
				}
			}
		}
		if len(sink.Batches()) != 6 {
			t.Errorf("%d requests, want two for each of three tenants", len(sink.Batches()))
		}
		time.Sleep(2 * keyIdle)
		p.Consume(t.Context(), logs("x", 1))
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.keys) != 1 {
			t.Errorf("%d keys are remembered, want that of the last request", len(p.keys))
		}
	})
}

func TestLargeRequestsAreSplit(t *testing.T) {
	sink := &pipelinetest.Recorder{}
	cfg := Default()
	cfg.SendBatchSize, cfg.SendBatchMaxSize = 10, 10
	p, _ := newProcessor(t, cfg, sink)
	if err := p.Consume(t.Context(), logs("x", 35)); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, b := range sink.Batches() {
		if b.Items > 10 || len(bodies(b.Request)) != b.Items {
			t.Errorf("a part says %d items and has %d", b.Items, len(bodies(b.Request)))
		}
		for _, body := range bodies(b.Request) {
			seen[body] = true
		}
	}
	if len(seen) != 35 {
		t.Errorf("%d different records arrived, want 35", len(seen))
	}
	sink.Answer = func(_ context.Context, b pipeline.Batch) error {
		return pipeline.Reject(b.Items, pipeline.DropRejected, errors.New("no"))
	}
	if a := pipeline.Read(p.Consume(t.Context(), logs("x", 35)), 35); a.RejectedItems() != 35 {
		t.Errorf("all parts rejected: got %+v", a)
	}
}

func TestStopSendsWhatWaitsAndLetsNobodyHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Default()
		cfg.MaxInFlight, cfg.Timeout = 1, time.Hour
		sink := slow(10 * time.Second)
		p, _ := newProcessor(t, cfg, sink)
		answers := make(chan error, 3)
		for range 3 {
			go func() { answers <- p.Consume(context.Background(), logs("x", 1)) }()
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Error(err)
		}
		for range 2 { // the two that waited in the processor; the first is with the sink, in its caller's hands
			if _, again := pipeline.AsRefused(<-answers); !again {
				t.Error("a caller that was cut off at shutdown was told that its records are safe")
			}
		}
		if err := <-answers; err != nil {
			t.Error(err)
		}
	})
}

// TestNobodySeesForeignBytes runs callers that give up at random against a sink that keeps looking at what it was
// given for as long as the contract allows. Freed buffers are poisoned under -race.
func TestNobodySeesForeignBytes(t *testing.T) {
	var served atomic.Int64
	sink := pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
		n := len(bodies(b.Request))
		time.Sleep(time.Millisecond)
		again := bodies(b.Request)
		if n != b.Items || len(again) != n {
			t.Errorf("a request of %d items had %d and then %d", b.Items, n, len(again))
		}
		served.Add(int64(n))
		return nil
	})
	cfg := Default()
	cfg.MaxInFlight = 2
	p, _ := newProcessor(t, cfg, sink)
	var acked atomic.Int64
	var wg sync.WaitGroup
	for c := range 32 {
		wg.Go(func() {
			for i := range 60 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c%4+1)*time.Millisecond)
				b := logs(fmt.Sprintf("c%d-%d", c, i), c%7+1)
				if p.Consume(ctx, b) == nil {
					acked.Add(int64(b.Items))
				}
				for j := range b.Request {
					b.Request[j] = 0xEE // the caller's buffer is its own again
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if err := p.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if served.Load() < acked.Load() {
		t.Errorf("%d items acknowledged, only %d served", acked.Load(), served.Load())
	}
}

// TestMetadataIsKeptApart: requests with different metadata are not merged, and beyond the limit a request passes alone.
func TestMetadataIsKeptApart(t *testing.T) {
	sink := &pipelinetest.Recorder{Answer: func(context.Context, pipeline.Batch) error {
		time.Sleep(5 * time.Millisecond)
		return nil
	}}
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "batch")
	c := Default()
	c.MaxInFlight, c.MetadataKeys, c.MetadataCardinalityLimit = 1, []string{"X-Tenant"}, 3
	p, err := New(s, c, sink)
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for i := range 60 {
		callers.Go(func() {
			keys := pipeline.MetadataKeys{"x-tenant"}
			b := pipeline.Batch{Signal: pipeline.Logs, Request: []byte(strings.Repeat("x", i%6+1)), Items: 1}
			b.Origin.Metadata, _ = keys.Of(func(string) []string { return []string{fmt.Sprint("tenant ", i%6)} })
			if err := p.Consume(t.Context(), b); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	for _, b := range sink.Batches() {
		tenant := b.Origin.Metadata.Values("x-tenant")
		if len(tenant) != 1 || string(b.Request) != strings.Repeat("x", b.Items*int(tenant[0][7]-'0'+1)) {
			t.Errorf("%d items of %v in one batch of %d bytes", b.Items, tenant, len(b.Request))
		}
	}
	if n := len(sink.Batches()); sink.Items() != 60 || n == 60 {
		t.Errorf("%d items in %d batches", sink.Items(), n)
	}
	if n := len(p.(*Processor).keys); n > 3 {
		t.Errorf("%d values are kept apart", n)
	}
}
