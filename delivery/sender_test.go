package delivery

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// destination is one whose answers a test decides.
type destination struct {
	answer func(ctx context.Context, n int, body string) answer.Outcome
	encode func(pipeline.Batch) (Requests, error)
	pool   buffer.Pool

	mu   sync.Mutex
	n    int
	seen []string
	at   []time.Time
	ids  []string // of the attempts
}

// Encode borrows the batch, which is not cut apart, unless a test says otherwise.
func (d *destination) Encode(b pipeline.Batch) (Requests, error) {
	if d.encode != nil {
		return d.encode(b)
	}
	return Requests{Groups: [][]*payload.Payload{{payload.Borrow(b, &d.pool)}}}, nil
}

func (d *destination) Attempt(ctx context.Context, p *payload.Payload) answer.Outcome {
	d.mu.Lock()
	d.n++
	n := d.n
	d.at = append(d.at, time.Now())
	d.ids = append(d.ids, p.ID())
	d.mu.Unlock()
	b, _ := io.ReadAll(p.Reader())
	out := d.answer(ctx, n, string(b))
	d.mu.Lock()
	defer d.mu.Unlock()
	if out.Verdict == answer.Taken {
		d.seen = append(d.seen, string(b))
	}
	return out
}

// attempts is how many requests there were, arrived the bodies that were taken.
func (d *destination) attempts() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n
}

func (d *destination) arrived() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}

var errBusy = errors.New("the destination answered 503")

// busy answers 503 until the nth request.
func busy(until int) func(context.Context, int, string) answer.Outcome {
	return func(_ context.Context, n int, _ string) answer.Outcome {
		if n < until {
			return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errBusy}
		}
		return answer.Outcome{Code: "200"}
	}
}

type rig struct {
	*Sender
	*destination
	sink   pipeline.Sink
	ledger *ledger.Ledger
	reg    *prometheus.Registry
}

func newRig(t *testing.T, o Options, answer func(context.Context, int, string) answer.Outcome) *rig {
	t.Helper()
	r := &rig{destination: &destination{answer: answer}}
	s, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	r.ledger, r.reg = ledger, s.Metrics.(*prometheus.Registry)
	if o.Queue == (QueueConfig{}) {
		o.Queue = DefaultQueueConfig()
	}
	if o.Retry == (RetryConfig{}) {
		o.Retry = DefaultRetryConfig()
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 1
	}
	k, err := New(s, o, r.destination)
	if err != nil {
		t.Fatal(err)
	}
	r.Sender = k
	r.sink = s.Entrance(pipeline.Logs, pipeline.SinkFunc(k.Send))
	t.Cleanup(func() { _ = k.Stop(context.WithoutCancel(t.Context())) })
	return r
}

// send consumes a body and overwrites it when the call has returned, as the owner of the buffer may.
func (r *rig) send(ctx context.Context, body string) error {
	b := []byte(body)
	err := r.sink.Consume(ctx, pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: 10})
	copy(b, strings.Repeat("\xdf", len(b)))
	return err
}

func (r *rig) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestNilComesWithTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(context.Context, int, string) answer.Outcome {
			time.Sleep(20 * time.Second) // a slow server
			return answer.Outcome{Code: "200"}
		})
		start := time.Now()
		if err := r.send(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("answered after %s, before the destination did", took)
		}
	})
}

func TestOutageLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxInFlight: 3}, busy(200))
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				if err := r.send(t.Context(), "body"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(r.arrived()) != 30 {
			t.Errorf("%d of 30 arrived", len(r.arrived()))
		}
		if n := r.metric(t, "sluice_exporter_retries_total"); n != 199 {
			t.Errorf("%v retries, want 199", n)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(_ context.Context, n int, _ string) answer.Outcome {
			if n == 1 {
				return answer.Outcome{Verdict: answer.Retry, Code: "429", After: 7 * time.Second, Err: errBusy, Overload: true}
			}
			return answer.Outcome{Code: "200"}
		})
		if err := r.send(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if gap := r.at[1].Sub(r.at[0]); gap < 7*time.Second || gap > 7200*time.Millisecond {
			t.Errorf("came back after %s, was asked for 7s", gap)
		}
	})
}

func TestACallerThatCannotWaitIsToldForHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(context.Context, int, string) answer.Outcome {
			return answer.Outcome{Verdict: answer.Retry, Code: "429", After: 7 * time.Second, Err: errBusy, Overload: true}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		err := r.send(ctx, "one")
		ref, ok := pipeline.AsRefused(err)
		if !ok || ref.After < 7*time.Second || !ref.Overload || !errors.Is(err, errBusy) {
			t.Fatalf("%v (%+v)", err, ref)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("refused after %s although there was nothing to wait for", took)
		}
	})
}

func TestMaxElapsedTimeAndRetryOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		retry := DefaultRetryConfig()
		retry.MaxElapsedTime = 10 * time.Second
		r := newRig(t, Options{Retry: retry}, busy(1e9))
		start := time.Now()
		if _, ok := pipeline.AsRefused(r.send(t.Context(), "one")); !ok {
			t.Error("not refused")
		}
		if took := time.Since(start); took > 10*time.Second || r.attempts() < 3 {
			t.Errorf("%d attempts in %s", r.attempts(), took)
		}
		off := newRig(t, Options{Retry: RetryConfig{InitialInterval: time.Second, Multiplier: 1}}, busy(1e9))
		if _, ok := pipeline.AsRefused(off.send(t.Context(), "one")); !ok || off.attempts() != 1 {
			t.Errorf("with retry off: %d attempts", off.attempts())
		}
	})
}

func (d *lateReader) Attempt(_ context.Context, p *payload.Payload) answer.Outcome {
	r := p.Reader()
	time.Sleep(time.Minute)
	b, err := io.ReadAll(r)
	if err != nil {
		b = []byte(err.Error())
	}
	d.got <- string(b)
	return answer.Outcome{Code: "200"}
}

func TestVerdictsBecomeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("why")
		for _, c := range []struct {
			name  string
			out   answer.Outcome
			items int
		}{
			{"all rejected", answer.Outcome{Verdict: answer.Rejected, Code: "400", Reason: pipeline.DropRejected, Err: why}, 10},
			{"some rejected", answer.Outcome{Code: "200", Items: 4, Reason: pipeline.DropRejected, Err: why}, 4},
			{"more rejected than sent", answer.Outcome{Code: "200", Items: 400, Reason: pipeline.DropRejected, Err: why}, 10},
		} {
			r := newRig(t, Options{}, func(context.Context, int, string) answer.Outcome { return c.out })
			rej, ok := pipeline.AsRejected(r.send(t.Context(), "one"))
			if !ok || rej.Count != c.items && rej.Count != 0 || rej.Reason != pipeline.DropRejected {
				t.Errorf("%s: %+v", c.name, rej)
			}
		}
		r := newRig(t, Options{}, func(context.Context, int, string) answer.Outcome {
			return answer.Outcome{Code: "200", Items: 0, Err: why} // a warning
		})
		if err := r.send(t.Context(), "one"); err != nil {
			t.Error(err)
		}
	})
}

func TestTooManyCallersAreRefusedAsOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := DefaultQueueConfig()
		q.QueueSize = 2
		r := newRig(t, Options{Queue: q}, func(context.Context, int, string) answer.Outcome {
			time.Sleep(time.Second)
			return answer.Outcome{Code: "200"}
		})
		for range 3 {
			go r.send(t.Context(), "one")
		}
		synctest.Wait()
		ref, ok := pipeline.AsRefused(r.send(t.Context(), "too much"))
		if !ok || !ref.Overload || ref.After == 0 {
			t.Errorf("%+v", ref)
		}
		time.Sleep(time.Minute)
	})
}

func TestStopWaitsAndThenCutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(ctx context.Context, _ int, _ string) answer.Outcome {
			select {
			case <-ctx.Done():
				return answer.Outcome{Verdict: answer.Retry, Code: answer.CodeError, Err: ctx.Err()}
			case <-time.After(10 * time.Second):
				return answer.Outcome{Code: "200"}
			}
		})
		leave := func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_ = r.send(ctx, "one")
		}
		leave()
		if err := r.Stop(t.Context()); err != nil {
			t.Errorf("the request had time to end: %v", err)
		}
		if len(r.arrived()) != 1 {
			t.Error("Stop did not wait for the request on the wire")
		}

		s := newRig(t, Options{}, r.answer)
		r = s
		leave()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := r.Stop(ctx); err == nil || time.Since(start) != time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}
