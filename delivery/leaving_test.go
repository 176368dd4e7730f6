package delivery

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// The caller is refused at its deadline, its bytes go on, and what arrives then is counted.
func TestACallerLeavesWhileItsRequestIsOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var body string
		r := newRig(t, Options{Timeout: time.Minute}, nil)
		r.answer = func(ctx context.Context, n int, first string) answer.Outcome {
			if n > 1 {
				return answer.Outcome{Code: "200"}
			}
			time.Sleep(10 * time.Second)
			if ctx.Err() != nil {
				t.Error("the caller's end cancelled the request")
			}
			body = first
			return answer.Outcome{Code: "200", Items: 3, Reason: pipeline.DropRejected, Err: errors.New("3 too old")}
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
		if n := r.ledger.Read()[1].DeliveredAfterRefusal; n != 7 {
			t.Errorf("%v items delivered after refusal, want 7", n)
		}
	})
}

// A transport that reads only after the caller has left and reused its buffer still sends the caller's bytes.
func TestTheBodyOutlivesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan string, 1)
		d := &lateReader{got: got}
		s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
		k, err := New(s, Options{Queue: DefaultQueueConfig(), Retry: DefaultRetryConfig(), MaxInFlight: 1}, d)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b := []byte("the caller's bytes")
		_ = k.Send(ctx, pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: 1})
		copy(b, strings.Repeat("X", len(b)))
		if body := <-got; body != "the caller's bytes" {
			t.Errorf("the wire saw %q", body)
		}
		if err := k.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

type lateReader struct {
	got  chan string
	pool buffer.Pool
}

func (d *lateReader) Encode(b pipeline.Batch) (Requests, error) {
	return Requests{Groups: [][]*payload.Payload{{payload.Borrow(b, &d.pool)}}}, nil
}

func TestWithdrawnCallersAreNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(_ context.Context, n int, _ string) answer.Outcome {
			time.Sleep(10 * time.Second)
			return answer.Outcome{Code: "200"}
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
