package delivery

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// errGateFull says that as many callers wait as may.
var errGateFull = errors.New("too many callers wait for this destination")

// A gate lets a limited number of callers in at once, in the order in which they came, and bounds by weight how
// many wait. It is the memory queue of an exporter: it holds callers, never their bytes, and so it answers nobody.
type gate struct {
	mu        sync.Mutex
	places    int       // free ones
	queue     list.List // of *waiter, the first to be let in at the front
	waiting   int       // sum of the waiters' weights
	maxWeight int       // of waiting; 0 means no limit
}

type waiter struct {
	weight int
	in     chan struct{} // closed when let in
}

// enter waits for a place until it is vain. Its errors are errGateFull, errUnanswered and the context's.
func (g *gate) enter(ctx context.Context, weight int, vain <-chan struct{}) error {
	g.mu.Lock()
	if g.places > 0 && g.queue.Len() == 0 {
		g.places--
		g.mu.Unlock()
		return nil
	}
	// One waiter is always taken, so that a batch heavier than the whole queue is not refused for ever.
	if g.maxWeight > 0 && g.queue.Len() > 0 && g.waiting+weight > g.maxWeight {
		g.mu.Unlock()
		return errGateFull
	}
	w := &waiter{weight: weight, in: make(chan struct{})}
	at := g.queue.PushBack(w)
	g.waiting += weight
	g.mu.Unlock()

	var err error
	select {
	case <-w.in:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-vain:
		err = errUnanswered
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.in: // let in meanwhile: the place goes to the next one
		g.letInLocked()
	default:
		g.queue.Remove(at)
		g.waiting -= weight
	}
	return err
}

// leave gives a place to who waits longest.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.letInLocked()
}

func (g *gate) letInLocked() {
	first := g.queue.Front()
	if first == nil {
		g.places++
		return
	}
	w := g.queue.Remove(first).(*waiter)
	g.waiting -= w.weight
	close(w.in)
}

// callers is how many wait.
func (g *gate) callers() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.queue.Len()
}

// A place is what a gate lets a caller in to. It is free again when nobody holds it: the call, and every attempt that
// outlives it.
type place struct {
	gate    *gate
	holders atomic.Int32
}

func (p *place) hold() { p.holders.Add(1) }

func (p *place) leave() {
	if p.holders.Add(-1) == 0 {
		p.gate.leave()
	}
}
