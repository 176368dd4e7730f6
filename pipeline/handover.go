package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluiceio/sluice/wire"
)

// Handover stands between a source that cannot wait (a scrape, host metrics) and a pipeline that may: Put never
// blocks, and when more than its bytes are waiting, the oldest batch is dropped as backlog_full. One goroutine
// sends, in order, and repeats what is refused.
//
// It is memory only: what waits here when the process dies is gone, and what waits when the drain's time ends is
// counted as shutdown_timeout.
type Handover struct {
	log      Settings
	next     Sink
	door     *door
	maxBytes int

	mu    sync.Mutex
	queue []Batch
	bytes int
	wake  chan struct{}
	stop  context.CancelCauseFunc
	done  chan struct{}
	drain bool
}

// NewHandover makes one in front of an output of the receiver that s belongs to. maxBytes bounds what waits.
func NewHandover(s Settings, next Sink, sig Signal, maxBytes int) *Handover {
	h := &Handover{log: s, next: next, maxBytes: maxBytes, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if e, ok := next.(*entrance); ok {
		// The receiver's own door moves to this side of the queue: what waits is held there.
		h.door, h.next = e.door, e.next
	} else {
		h.door = &door{key: doorKey{component: s.Name(), signal: sig}, kind: KindReceiver}
	}
	return h
}

// handoverBuffers are the copies that Put takes: a target's request is a hundred kilobytes and comes every few
// seconds, and fresh memory for each is page faults and garbage.
var handoverBuffers = sync.Pool{New: func() any { return new(wire.Request) }}

// maxHandoverBuffer keeps the copy of a rare huge request from staying in the pool.
const maxHandoverBuffer = 4 << 20

// gone gives a batch's copy back when it was answered for. By contract nobody holds it any more; builds for tests
// fill it, so that a sink that does is seen.
func gone(b Batch) {
	if cap(b.Request) > maxHandoverBuffer {
		return
	}
	if poison {
		for i := range b.Request {
			b.Request[i] = 0xDD
		}
	}
	handoverBuffers.Put(&b.Request)
}

// Start begins to send.
func (h *Handover) Start(context.Context) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	h.stop = cancel
	go h.run(ctx)
	return nil
}

// Put takes a copy of the batch. It never waits.
func (h *Handover) Put(b Batch) {
	b.Request = append((*handoverBuffers.Get().(*wire.Request))[:0], b.Request...)
	h.door.enter(b.Items, len(b.Request))
	h.mu.Lock()
	h.queue = append(h.queue, b)
	h.bytes += len(b.Request)
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
	h.mu.Lock()
	h.drain = true
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
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
		b, ok, last := h.take()
		if !ok {
			if last {
				return
			}
			select {
			case <-h.wake:
			case <-ctx.Done():
				return
			}
			continue
		}
		if !h.send(ctx, b) {
			return
		}
	}
}

// take removes the oldest batch; last says that no more will come.
func (h *Handover) take() (b Batch, ok, last bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return Batch{}, false, h.drain
	}
	b = h.queue[0]
	h.queue[0] = Batch{}
	h.queue = h.queue[1:]
	h.bytes -= len(b.Request)
	return b, true, false
}

// send repeats a batch until it is taken, rejected, or the drain's time ends. Newer batches may be dropped
// behind it meanwhile; the one in hand is at most as old as the destination's outage.
func (h *Handover) send(ctx context.Context, b Batch) bool {
	pause := Backoff{Min: 200 * time.Millisecond, Max: 5 * time.Second}
	for {
		err := h.next.Consume(ctx, b)
		ref, again := AsRefused(err)
		if !again {
			h.door.leave(b.Items, len(b.Request), err)
			gone(b)
			return true
		}
		select {
		case <-time.After(max(ref.After, pause.Next())):
		case <-ctx.Done():
			h.door.evict(DropShutdown, b.Items, len(b.Request))
			return false
		}
	}
}
