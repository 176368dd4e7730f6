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
// callers, not bytes, and answers nobody early. Each caller keeps its place between its attempts.
type gate struct {
	mu        sync.Mutex
	places    int       // free ones
	withheld  int       // of all places, while the destination is slow, asks for less, or comes back
	resting   int       // callers with a place that wait for their next attempt
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
	if g.queue.Len() == 0 && g.freeLocked() {
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

// letInLocked gives a place back.
func (g *gate) letInLocked() {
	g.places++
	g.admitLocked()
}

func (g *gate) admitLocked() {
	for g.freeLocked() {
		first := g.queue.Front()
		if first == nil {
			return
		}
		w := g.queue.Remove(first).(*waiter)
		g.waiting -= w.weight
		g.places--
		close(w.in)
	}
}

func (g *gate) freeLocked() bool { return g.places > 0 && g.places+g.resting > g.withheld }

// rest is called before and after the wait for the next attempt, with 1 and -1. Who rests uses nothing of the destination.
func (g *gate) rest(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.resting += n
	g.admitLocked()
}

// withhold keeps some places from callers. Who has one keeps it.
func (g *gate) withhold(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.withheld = n
	g.admitLocked()
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
