package delivery

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/pipeline"
)

// TestDrainWaitsForWorkNotForADestination: callers between two attempts, on the wire to a silent destination and in the
// queue are refused at once, or within drainGrace where the silence is new; a destination that only is slow is waited for.
func TestDrainWaitsForWorkNotForADestination(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(context.Context, int, string) answer.Outcome
		taken  bool
		within time.Duration
		after  time.Duration
	}{
		"busy": {busy(1 << 30), false, 100 * time.Millisecond, 15 * time.Second},
		"silent": {func(ctx context.Context, n int, _ string) answer.Outcome {
			<-ctx.Done()
			return answer.Outcome{Verdict: answer.Retry, Code: "timeout", Err: answer.ErrTimeout, Unsure: true}
		}, false, 100 * time.Millisecond, 15 * time.Second},
		"silent since a moment": {func(ctx context.Context, n int, _ string) answer.Outcome {
			if n == 1 {
				return answer.Outcome{Code: "200"}
			}
			<-ctx.Done()
			return answer.Outcome{Verdict: answer.Retry, Code: "timeout", Err: answer.ErrTimeout, Unsure: true}
		}, false, drainGrace + 100*time.Millisecond, time.Second},
		"slow": {func(ctx context.Context, _ int, _ string) answer.Outcome {
			select {
			case <-time.After(4 * time.Second):
				return answer.Outcome{Code: "200"}
			case <-ctx.Done():
				return answer.Outcome{Verdict: answer.Retry, Code: "timeout", Err: answer.ErrTimeout}
			}
		}, true, 15 * time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{Timeout: 10 * time.Second}, c.answer)
				answers := make(chan error, 3)
				ctx, cancel := context.WithCancel(t.Context()) // a source without a deadline
				defer cancel()
				if name == "silent since a moment" {
					if err := r.send(ctx, "first"); err != nil {
						t.Error(err)
					}
				}
				for range 3 {
					go func() {
						answers <- r.Send(ctx, pipeline.Batch{Signal: pipeline.Logs, Request: []byte("x"), Items: 1})
					}()
				}
				time.Sleep(c.after)
				begin := time.Now()
				r.Drain()
				for range 3 {
					err := <-answers
					if _, again := pipeline.AsRefused(err); again == c.taken {
						t.Errorf("answer %v", err)
					}
				}
				if took := time.Since(begin); took > c.within {
					t.Errorf("callers waited %s after Drain", took)
				}
				begin = time.Now()
				stop, end := context.WithTimeout(context.WithoutCancel(t.Context()), 25*time.Second)
				defer end()
				_ = r.Stop(stop)
				if took := time.Since(begin); took > 3*time.Second {
					t.Errorf("Stop took %s", took)
				}
				if n := r.ledger.Unaccounted(); n != 0 {
					t.Errorf("%d items unaccounted for", n)
				}
			})
		})
	}
}
