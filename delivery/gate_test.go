package delivery

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
)

func TestGateLetsCallersInAsTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{places: 1}
		if err := g.enter(t.Context(), 1, nil); err != nil {
			t.Fatal(err)
		}
		order := make(chan int, 3)
		for i := range 3 {
			go func() {
				if err := g.enter(t.Context(), 1, nil); err == nil {
					order <- i
				}
			}()
			synctest.Wait()
		}
		for want := range 3 {
			g.leave()
			synctest.Wait()
			if got := <-order; got != want {
				t.Fatalf("caller %d was let in before caller %d", got, want)
			}
			if len(order) != 0 {
				t.Fatal("two callers were let in for one place")
			}
		}
	})
}

func TestGateRefusesOverItsWeightButAlwaysTakesOneWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{places: 1, maxWeight: 10}
		_ = g.enter(t.Context(), 1, nil)
		ctx, cancel := context.WithCancel(t.Context())
		heavy := make(chan error, 1)
		go func() { heavy <- g.enter(ctx, 99, nil) }()
		synctest.Wait()
		if g.callers() != 1 {
			t.Fatal("a batch heavier than the whole queue does not wait")
		}
		if err := g.enter(t.Context(), 1, nil); !errors.Is(err, errGateFull) {
			t.Fatalf("over the weight: %v", err)
		}
		cancel()
		if err := <-heavy; !errors.Is(err, context.Canceled) {
			t.Fatalf("a caller that left got %v", err)
		}
		go func() { heavy <- g.enter(t.Context(), 10, nil) }()
		synctest.Wait()
		g.leave()
		if err := <-heavy; err != nil {
			t.Fatalf("the weight of a caller that left is still counted: %v", err)
		}
	})
}

// A place that is given to a caller in the moment in which it leaves must not be lost.
func TestGateKeepsPlacesOfCallersThatLeave(t *testing.T) {
	g := gate{places: 1}
	for range 2000 {
		if err := g.enter(t.Context(), 1, nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.enter(ctx, 1, nil) }()
		go cancel()
		g.leave()
		if err := <-done; err == nil {
			g.leave()
		}
		cancel()
	}
	if g.places != 1 || g.callers() != 0 {
		t.Fatalf("%d places and %d waiters after all left", g.places, g.callers())
	}
}

// TestGateFollowsTheDestination: after 429 half of the places are used, after 503 one, and then one more each round. Who waits
// for its next attempt keeps nobody out.
func TestGateFollowsTheDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		var code atomic.Int64
		code.Store(200)
		r := newRig(t, Options{MaxInFlight: 8}, func(context.Context, int, string) answer.Outcome {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(20 * time.Millisecond)
			now.Add(-1)
			switch code.Load() {
			case 429:
				return answer.Outcome{Verdict: answer.Retry, Code: "429", Err: errBusy, Overload: true}
			case 503:
				return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errBusy}
			}
			return answer.Outcome{Code: "200"}
		})
		r.opts.Retry.Enabled = false
		send := func(n int) int64 {
			most.Store(0)
			var callers sync.WaitGroup
			for range n {
				callers.Go(func() { _ = r.send(t.Context(), "x") })
			}
			callers.Wait()
			time.Sleep(time.Second)
			return most.Load()
		}
		time.Sleep(time.Second)
		if n := send(8); n != 8 {
			t.Errorf("%d at once at the start, want all 8 places", n)
		}
		code.Store(429)
		send(8)
		code.Store(200)
		if n := send(4); n != 4 {
			t.Errorf("%d at once after 429, want half", n)
		}
		code.Store(503)
		send(8)
		code.Store(200)
		if n := send(1); n != 1 {
			t.Errorf("%d at once after 503", n)
		}
		if n := send(2); n != 2 {
			t.Errorf("%d at once one round later", n)
		}
		send(200)
		if n := send(8); n != 8 {
			t.Errorf("%d at once in the end, want all 8 places", n)
		}
	})
}
