package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// destination is one whose answers a test decides.
type destination struct {
	answer func(ctx context.Context, n int, body string) Outcome

	mu   sync.Mutex
	n    int
	seen []string
	at   []time.Time
}

func (d *destination) Attempt(ctx context.Context, p *Payload) Outcome {
	d.mu.Lock()
	d.n++
	n := d.n
	d.at = append(d.at, time.Now())
	d.mu.Unlock()
	b, _ := io.ReadAll(p.Reader())
	out := d.answer(ctx, n, string(b))
	d.mu.Lock()
	defer d.mu.Unlock()
	if out.Verdict == Taken {
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
func busy(until int) func(context.Context, int, string) Outcome {
	return func(_ context.Context, n int, _ string) Outcome {
		if n < until {
			return Outcome{Verdict: Retry, Code: "503", Err: errBusy}
		}
		return Outcome{Code: "200"}
	}
}

type rig struct {
	*Sender
	*destination
	sink   pipeline.Sink
	ledger *pipeline.Ledger
	reg    *prometheus.Registry
	pool   Pool
}

func newRig(t *testing.T, o Options, answer func(context.Context, int, string) Outcome) *rig {
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
	r.sink = s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
		return k.Send(ctx, b, func(b pipeline.Batch) (*Payload, error) { return Borrow(b, &r.pool), nil })
	}))
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
		r := newRig(t, Options{}, func(context.Context, int, string) Outcome {
			time.Sleep(20 * time.Second) // a slow server
			return Outcome{Code: "200"}
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
		r := newRig(t, Options{}, func(_ context.Context, n int, _ string) Outcome {
			if n == 1 {
				return Outcome{Verdict: Retry, Code: "429", After: 7 * time.Second, Err: errBusy, Overload: true}
			}
			return Outcome{Code: "200"}
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
		r := newRig(t, Options{}, func(context.Context, int, string) Outcome {
			return Outcome{Verdict: Retry, Code: "429", After: 7 * time.Second, Err: errBusy, Overload: true}
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

// The caller is refused at its deadline, its bytes go on, and what arrives then is counted.
func TestACallerLeavesWhileItsRequestIsOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var body string
		r := newRig(t, Options{Timeout: time.Minute}, nil)
		r.answer = func(ctx context.Context, n int, first string) Outcome {
			if n > 1 {
				return Outcome{Code: "200"}
			}
			time.Sleep(10 * time.Second)
			if ctx.Err() != nil {
				t.Error("the caller's end cancelled the request")
			}
			body = first
			return Outcome{Code: "200", Items: 3, Reason: pipeline.DropRejected, Err: errors.New("3 too old")}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := r.send(ctx, "mine")
		if _, ok := pipeline.AsRefused(err); !ok || time.Since(start) != time.Second {
			t.Fatalf("after %s: %v", time.Since(start), err)
		}
		// Its place is still taken: the request is on the wire.
		next := make(chan error, 1)
		go func() { next <- r.send(t.Context(), "next") }()
		time.Sleep(5 * time.Second)
		if r.attempts() != 1 {
			t.Error("a second request went out over max_in_flight")
		}
		if err := <-next; err != nil {
			t.Fatal(err)
		}
		if body != "mine" {
			t.Errorf("the destination got %q", body)
		}
		if n := r.metric(t, "sluice_exporter_delivered_after_refusal_items_total"); n != 7 {
			t.Errorf("%v items delivered after refusal, want 7", n)
		}
	})
}

// A transport that reads only after the caller has left and reused its buffer still sends the caller's bytes.
func TestTheBodyOutlivesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool Pool
		got := make(chan string, 1)
		d := lateReader{got}
		s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
		k, err := New(s, Options{Queue: DefaultQueueConfig(), Retry: DefaultRetryConfig(), MaxInFlight: 1}, d)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b := []byte("the caller's bytes")
		_ = k.Send(ctx, pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: 1}, func(b pipeline.Batch) (*Payload, error) {
			return Borrow(b, &pool), nil
		})
		copy(b, strings.Repeat("X", len(b)))
		if body := <-got; body != "the caller's bytes" {
			t.Errorf("the wire saw %q", body)
		}
		if err := k.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

type lateReader struct{ got chan string }

func (d lateReader) Attempt(_ context.Context, p *Payload) Outcome {
	r := p.Reader()
	time.Sleep(time.Minute)
	b, err := io.ReadAll(r)
	if err != nil {
		b = []byte(err.Error())
	}
	d.got <- string(b)
	return Outcome{Code: "200"}
}

func TestWithdrawnCallersAreNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(_ context.Context, n int, _ string) Outcome {
			time.Sleep(10 * time.Second)
			return Outcome{Code: "200"}
		})
		go r.send(t.Context(), "first")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, ok := pipeline.AsRefused(r.send(ctx, "waits for a place")); !ok {
			t.Error("not refused")
		}
		if _, ok := pipeline.AsRefused(r.send(ctx, "came dead")); !ok {
			t.Error("not refused")
		}
		time.Sleep(time.Minute)
		if len(r.arrived()) != 1 || r.arrived()[0] != "first" {
			t.Errorf("the destination saw %q", r.arrived())
		}
	})
}

func TestVerdictsBecomeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("why")
		for _, c := range []struct {
			name  string
			out   Outcome
			items int
		}{
			{"all rejected", Outcome{Verdict: Rejected, Code: "400", Reason: pipeline.DropRejected, Err: why}, 10},
			{"some rejected", Outcome{Code: "200", Items: 4, Reason: pipeline.DropRejected, Err: why}, 4},
			{"more rejected than sent", Outcome{Code: "200", Items: 400, Reason: pipeline.DropRejected, Err: why}, 10},
		} {
			r := newRig(t, Options{}, func(context.Context, int, string) Outcome { return c.out })
			rej, ok := pipeline.AsRejected(r.send(t.Context(), "one"))
			if !ok || rej.Items != c.items || rej.Reason != pipeline.DropRejected {
				t.Errorf("%s: %+v", c.name, rej)
			}
		}
		r := newRig(t, Options{}, func(context.Context, int, string) Outcome {
			return Outcome{Code: "200", Items: 0, Err: why} // a warning
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
		r := newRig(t, Options{Queue: q}, func(context.Context, int, string) Outcome {
			time.Sleep(time.Second)
			return Outcome{Code: "200"}
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
		r := newRig(t, Options{}, func(ctx context.Context, _ int, _ string) Outcome {
			select {
			case <-ctx.Done():
				return Outcome{Verdict: Retry, Code: CodeError, Err: ctx.Err()}
			case <-time.After(10 * time.Second):
				return Outcome{Code: "200"}
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

// What the exporter says about itself: the names and labels are a contract with dashboards and alert rules.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, busy(3))
		if err := r.send(t.Context(), "four"); err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{
			`sluice_exporter_requests_total{code="200"}`:          1,
			`sluice_exporter_requests_total{code="503"}`:          2,
			"sluice_exporter_request_duration_seconds":            3,
			"sluice_exporter_sent_bytes_total":                    12,
			"sluice_exporter_retries_total":                       2,
			"sluice_exporter_delivered_after_refusal_items_total": 0,
			"sluice_exporter_in_flight_requests":                  0,
			"sluice_exporter_waiting_callers":                     0,
		}
		families, err := r.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, l := range m.GetLabel() {
					name += fmt.Sprintf("{%s=%q}", l.GetName(), l.GetValue())
				}
				got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

func TestJitterSpreadsClientsThatFailedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxInFlight: 100}, func(_ context.Context, n int, _ string) Outcome { return busy(101)(nil, n, "") })
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { _ = r.send(t.Context(), "one") })
		}
		wg.Wait()
		buckets := map[time.Duration]int{}
		for _, at := range r.at[100:] {
			buckets[at.Sub(r.at[0])/(20*time.Millisecond)]++
		}
		if len(buckets) < 8 {
			t.Errorf("100 retries fall into %d of 10 slots of 20 ms", len(buckets))
		}
	})
}
