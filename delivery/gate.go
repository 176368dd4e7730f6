package delivery

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

var errGateFull = errors.New("too many callers wait for this destination")

// A gate limits concurrent callers, first come first served, and bounds the weight of those that wait. It holds
// callers, not bytes, and answers nobody early.
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

// enter waits for a place. Its errors are errGateFull, errUnanswered (vain was closed) and the context's.
func (g *gate) enter(ctx context.Context, weight int, vain <-chan struct{}) error {
	g.mu.Lock()
	if g.places > 0 && g.queue.Len() == 0 {
		g.places--
		g.mu.Unlock()
		return nil
	}
	// One waiter is always accepted, or a batch heavier than the queue would be refused for ever.
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

func (g *gate) callers() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.queue.Len()
}

// A place is a slot of the gate, held by the call and by every attempt that outlives it.
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
