package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// TestALeaseGrowsPastTheBudgetWhenAlone: a request that grows step by step while it is read must not be refused for
// ever because of its own earlier steps.
func TestALeaseGrowsPastTheBudgetWhenAlone(t *testing.T) {
	b := pipeline.NewBudget(1000)
	alone, err := b.Reserve(100)
	if err != nil {
		t.Fatal(err)
	}
	if err := alone.Resize(5000); err != nil || b.Used() != 15000 {
		t.Errorf("nobody else is inside, yet: %v, used %d", err, b.Used())
	}
	if _, err := b.Reserve(1); !errors.Is(err, pipeline.ErrNoBudget) {
		t.Errorf("a second one was admitted over the limit: %v", err)
	}
	alone.Release()
}

// TestFanOutTellsTheBestOfTheRejections: what one branch took was not lost, so the caller must not hear that all was.
func TestFanOutTellsTheBestOfTheRejections(t *testing.T) {
	reject := func(n int) pipeline.Sink {
		return pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
			return pipeline.Reject(n, pipeline.DropRejected, errors.New("never"))
		})
	}
	for _, branches := range [][]pipeline.Sink{{reject(10), reject(3)}, {reject(3), reject(10)}, {reject(0), reject(3)}} {
		rej, never := pipeline.AsRejected(fanOutTo("f", heads(branches...), host{settled: newSettled()}).Consume(t.Context(), batchOf(10)))
		if !never || rej.Count != 3 {
			t.Errorf("got %+v, want 3 items rejected", rej)
		}
	}
}

// TestASignalDuringAReloadDoesNotCutTheDrain: the end of the process' context is no reason to drop what is inside.
func TestASignalDuringAReloadDoesNotCutTheDrain(t *testing.T) {
	k := &kit{outs: map[string]pipeline.Outputs{}}
	s := newService(t)
	cfg := k.config(pipe(t, "logs", "in", "mid", "out"))
	if err := s.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Service.ShutdownTimeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	drain := errors.New("Stop was not called")
	k.onStop = func(ctx context.Context) { drain = ctx.Err() }
	if err := s.Reload(ctx, k.config(pipe(t, "logs", "in", "mid", "out"))); !errors.Is(err, context.Canceled) {
		t.Errorf("the reload of a process that ends answered %v", err)
	}
	if drain != nil {
		t.Errorf("the drain was cut: %v", drain)
	}
	if left := s.Stop(t.Context()); left.Undelivered != 0 {
		t.Errorf("left %+v", left)
	}
}

// TestWhatTheDrainGaveUpIsSaid: also when everything has been given up by the time that Stop returns.
func TestWhatTheDrainGaveUpIsSaid(t *testing.T) {
	k := &kit{outs: map[string]pipeline.Outputs{}, hold: make(chan struct{})}
	s := newService(t)
	cfg := k.config(pipe(t, "logs", "in", "", "out"))
	cfg.Service.ShutdownTimeout = 50 * time.Millisecond
	if err := s.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	var answer error
	var caller sync.WaitGroup
	caller.Go(func() { answer = k.outs["in"].For(pipeline.Logs).Consume(t.Context(), batchOf(7)) })
	for accountOf(t, s.Ledger(), "exporter/out").Held.Items == 0 {
		time.Sleep(time.Millisecond)
	}
	var once sync.Once
	k.onStop = func(ctx context.Context) {
		<-ctx.Done()
		once.Do(func() { close(k.hold) })
		caller.Wait()
	}
	left := s.Stop(t.Context())
	if left.Undelivered != 7 || left.TimedOut != 0 || left.Unaccounted != 0 {
		t.Errorf("left %+v, want 7 undelivered", left)
	}
	if _, refused := pipeline.AsRefused(answer); !refused {
		t.Errorf("the caller was answered %v", answer)
	}
}

func TestWithdrawnSaysWhoEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if text := pipeline.Withdrawn(ctx).Error(); text != "the drain ended before the batch was safe" {
		t.Error(text)
	}
	cancel()
	if text := pipeline.Withdrawn(ctx).Error(); !strings.Contains(text, "context canceled") {
		t.Error(text)
	}
}
