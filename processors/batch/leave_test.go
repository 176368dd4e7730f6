package batch

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestABatchThatEverybodyLeftServesTheNextCaller: the last one who waits leaves, and somebody else joins the batch
// before it is sealed. The end of the one must not cancel the request of the other.
func TestABatchThatEverybodyLeftServesTheNextCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := gated(func(ctx context.Context, _ pipeline.Batch) error {
			if ctx.Err() != nil {
				return pipeline.Withdrawn(ctx)
			}
			return nil
		})
		cfg := Default()
		cfg.MaxInFlight, cfg.Timeout = 1, time.Hour
		p, _ := newProcessor(t, cfg, sink)
		release := occupied(t, p, make(chan struct{}))

		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { p.Consume(ctx, logs("gone", 1)) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		var err error
		wg.Go(func() { err = p.Consume(t.Context(), logs("stays", 1)) })
		synctest.Wait()
		release()
		wg.Wait()
		if err != nil {
			t.Errorf("a caller that stayed got %v because another one had left", err)
		}
	})
}

// TestAPartialSuccessDropsNothingThatWasRefused: a caller that left was refused and counts as that; what it left
// behind must not be counted as dropped on top.
func TestAPartialSuccessDropsNothingThatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := gated(func(context.Context, pipeline.Batch) error {
			time.Sleep(time.Second)
			return pipeline.Reject(6, pipeline.DropRejected, errors.New("six were bad"))
		})
		cfg := Default()
		cfg.MaxInFlight, cfg.Timeout = 1, time.Hour
		s, ledger := pipelinetest.Settings(t, pipeline.KindProcessor, "batch")
		made, err := New(s, cfg, sink)
		if err != nil {
			t.Fatal(err)
		}
		p := made.(*Processor)
		entrance := s.Entrance(pipeline.Logs, p)
		release := occupied(t, p, make(chan struct{}))

		short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { entrance.Consume(short, logs("gone", 5)) })
		wg.Go(func() {
			if err := entrance.Consume(t.Context(), logs("stays", 2)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		release()
		wg.Wait()
		if gap := ledger.Unaccounted(); gap != 0 {
			t.Errorf("%d items are unaccounted for", gap)
		}
		for _, a := range ledger.Read() {
			if a.Signal == pipeline.Logs && a.Held.Items != 0 {
				t.Errorf("%d items are held although nobody is inside", a.Held.Items)
			}
		}
	})
}

// TestABatchEndsWithItsLastDeadline: what is behind (a fan-out that repeats, an exporter that waits) sees how long
// somebody still waits.
func TestABatchEndsWithItsLastDeadline(t *testing.T) {
	for _, everybody := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var deadline time.Time
			var has bool
			sink := gated(func(ctx context.Context, _ pipeline.Batch) error {
				deadline, has = ctx.Deadline()
				return nil
			})
			cfg := Default()
			cfg.MaxInFlight, cfg.Timeout = 1, time.Hour
			p, _ := newProcessor(t, cfg, sink)
			release := occupied(t, p, make(chan struct{}))
			begin := time.Now()
			var wg sync.WaitGroup
			for _, d := range []time.Duration{3 * time.Second, time.Second} {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), d)
					defer cancel()
					p.Consume(ctx, logs("x", 1))
				})
			}
			if !everybody {
				wg.Go(func() { p.Consume(t.Context(), logs("patient", 1)) })
			}
			synctest.Wait()
			release()
			wg.Wait()
			if has != everybody || (has && !deadline.Equal(begin.Add(3*time.Second))) {
				t.Errorf("everybody has a deadline: %v; the request's is %v, %v", everybody, deadline.Sub(begin), has)
			}
		})
	}
}
