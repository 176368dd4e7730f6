package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/poison"
	"github.com/sluiceio/sluice/wire"
)

// Handover stands between a source that cannot wait (a scrape, host metrics) and a pipeline that may: Put never
// blocks, and when more than its bytes are waiting, the oldest are dropped as backlog_full. One goroutine sends, in
// order, and repeats what is refused.
//
// Batches that are put within a moment of each other are merged: what a request costs on its way (calls of the
// kernel, wake-ups, headers) is more than what a target's metrics cost.
//
// It is memory only: what waits here when the process dies is gone, and what waits when the drain's time ends is
// counted as shutdown_timeout.
type Handover struct {
	next     Sink
	door     *door
	maxBytes int
	maxLot   int // bytes that are merged

	mu    sync.Mutex
	queue []Batch // merged; only the last one grows
	bytes int

	wake chan struct{} // there is something in the queue, or it drains
	stop context.CancelCauseFunc
	done chan struct{}

	drains chan struct{} // closed when nothing more comes
	once   sync.Once
}

const (
	// handoverLinger is how long the first batch waits for others. Nobody reads what was scraped within this time.
	handoverLinger = 50 * time.Millisecond
	// maxHandoverLot is a quarter of what an OTLP receiver takes by default.
	maxHandoverLot = 1 << 20
)

// NewHandover makes one in front of an output of the receiver that s belongs to. maxBytes bounds what waits.
func NewHandover(s Settings, next Sink, sig Signal, maxBytes int) *Handover {
	h := &Handover{
		next: next, maxBytes: maxBytes, maxLot: min(maxHandoverLot, maxBytes/8),
		wake: make(chan struct{}, 1), done: make(chan struct{}), drains: make(chan struct{}),
	}
	if e, ok := next.(*entrance); ok {
		// The receiver's own door moves to this side of the queue: what waits is held there.
		h.door, h.next = e.door, e.next
	} else {
		h.door = &door{key: doorKey{component: s.Name(), signal: sig}, kind: KindReceiver}
	}
	return h
}

// handoverBuffers are what Put writes to: a target's request is a hundred kilobytes and comes every few seconds, and
// fresh memory for each is page faults and garbage.
var handoverBuffers = sync.Pool{New: func() any { return new(wire.Request) }}

// maxHandoverBuffer keeps the copy of a rare huge request from staying in the pool.
const maxHandoverBuffer = 4 << 20

// gone gives a batch's copy back when it was answered for. By contract nobody holds it any more; builds for tests
// fill it, so that a sink that does is seen.
func gone(b Batch) {
	if cap(b.Request) > maxHandoverBuffer {
		return
	}
	poison.Fill(b.Request)
	handoverBuffers.Put(&b.Request)
}

// Start begins to send.
func (h *Handover) Start(context.Context) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	h.stop = cancel
	go h.run(ctx)
	return nil
}

// Put takes a request of so many items and bytes, which write appends to what it is given. It never waits.
func (h *Handover) Put(items, size int, write func(dst []byte) []byte) {
	h.door.enter(items, size)
	h.mu.Lock()
	h.add(items, size, write)
	h.bytes += size
	var lost []Batch
	for h.bytes > h.maxBytes && len(h.queue) > 1 {
		lost = append(lost, h.queue[0])
		h.bytes -= len(h.queue[0].Request)
		h.queue = h.queue[1:]
	}
	h.mu.Unlock()
	for _, b := range lost {
		h.door.evict(DropBacklogFull, b.Items, len(b.Request))
		gone(b)
	}
	h.notify()
}

// add appends a request to the last batch of the queue, or begins another. Callers hold h.mu.
func (h *Handover) add(items, size int, write func(dst []byte) []byte) {
	if n := len(h.queue); n == 0 || len(h.queue[n-1].Request)+size > h.maxLot {
		h.queue = append(h.queue, Batch{Signal: h.door.key.signal, Request: (*handoverBuffers.Get().(*wire.Request))[:0]})
	}
	last := &h.queue[len(h.queue)-1]
	last.Request = write(last.Request)
	last.Items += items
}

// notify wakes the goroutine that sends.
func (h *Handover) notify() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Stop sends what waits, until ctx ends; the rest is dropped and counted.
func (h *Handover) Stop(ctx context.Context) error {
	if h.stop == nil {
		return nil
	}
	h.once.Do(func() { close(h.drains) })
	h.notify()
	select {
	case <-h.done:
	case <-ctx.Done():
		h.stop(errors.New("the drain's time ended"))
		<-h.done
	}
	h.stop(nil)
	h.mu.Lock()
	left := h.queue
	h.queue, h.bytes = nil, 0
	h.mu.Unlock()
	for _, b := range left {
		h.door.evict(DropShutdown, b.Items, len(b.Request))
	}
	return nil
}

func (h *Handover) run(ctx context.Context) {
	defer close(h.done)
	for {
		select {
		case <-h.wake:
		case <-ctx.Done():
			return
		}
		if !h.lingered(ctx) {
			return
		}
		for b, ok := h.take(); ok; b, ok = h.take() {
			if !h.send(ctx, b) {
				return
			}
		}
		if h.draining() {
			return
		}
	}
}

func (h *Handover) draining() bool {
	select {
	case <-h.drains:
		return true
	default:
		return false
	}
}

// lingered waits for what comes together with what is there; it reports false when the drain's time is over.
func (h *Handover) lingered(ctx context.Context) bool {
	select {
	case <-time.After(handoverLinger):
		return true
	case <-h.drains:
		return true
	case <-ctx.Done():
		return false
	}
}

// take removes the oldest batch, if there is one.
func (h *Handover) take() (Batch, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return Batch{}, false
	}
	b := h.queue[0]
	h.queue[0] = Batch{}
	h.queue = h.queue[1:]
	h.bytes -= len(b.Request)
	return b, true
}

// send repeats a batch, or those of its items that are refused, until all are taken or rejected, or the drain's time ends.
// Newer batches may be dropped behind it meanwhile; the one in hand is at most as old as the destination's outage.
func (h *Handover) send(ctx context.Context, b Batch) bool {
	pause := Backoff{Min: 200 * time.Millisecond, Max: 5 * time.Second}
	for {
		a := Read(h.next.Consume(ctx, b), b.Items)
		if a.Refusal == nil {
			h.door.leave(b.Items, len(b.Request), a.Err())
			gone(b)
			return true
		}
		b = h.settle(b, a)
		select {
		case <-time.After(max(a.Refusal.After, pause.Next())):
		case <-ctx.Done():
			h.door.evict(DropShutdown, b.Items, len(b.Request))
			return false
		}
	}
}

// settle books what became of the items that were not refused, and returns the batch of the others.
func (h *Handover) settle(b Batch, a Answer) Batch {
	if a.Refused.Len() == b.Items {
		return b
	}
	rest := b.CutRanges((*handoverBuffers.Get().(*wire.Request))[:0], a.Refused)
	left := Answer{Items: b.Items - rest.Items, Rejected: a.Rejected}
	for i := range left.Rejected { // counts are enough for the books
		left.Rejected[i].Count, left.Rejected[i].Ranges = left.Rejected[i].Len(), nil
	}
	h.door.leave(left.Items, len(b.Request)-len(rest.Request), &left)
	gone(b)
	return rest
}
