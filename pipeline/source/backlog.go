// Package source is for receivers without a sender to answer: a Backlog for those that cannot wait (scrapes, host
// metrics), a Submitter for those that can (files, the journal).
package source

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/backoff"
	"github.com/sluiceio/sluice/internal/poison"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Backlog is a queue between a source that cannot wait and a pipeline that may. Put never blocks; over maxBytes the
// oldest batches are dropped as backlog_full. One goroutine sends in order and repeats what is refused.
//
// Batches put at about the same time are merged: a request costs more (system calls, wake-ups, headers) than a
// target's metrics.
//
// It is in memory only: a crash loses it, and what is left at the drain timeout is counted as shutdown_timeout. A
// reload does not wait for a destination that is away: refused batches go to the next graph's Backlog.
type Backlog struct {
	settings  pipeline.Settings
	next      pipeline.Sink
	signal    pipeline.Signal
	account   pipeline.Holding
	maxBytes  int
	maxMerged int // bytes that are merged
	linger    time.Duration

	mu    sync.Mutex
	begun time.Time        // when the last batch of queue was begun
	queue []pipeline.Batch // merged; only the last one grows
	bytes int

	wake chan struct{} // there is something in the queue, or it drains
	full chan struct{} // a batch of the queue is full
	stop context.CancelCauseFunc
	done chan struct{}

	drains  chan struct{} // closed when nothing more comes
	once    sync.Once
	handsOn bool // what is refused then goes to the next graph; set before drains is closed
}

type rest struct {
	account pipeline.Holding
	queue   []pipeline.Batch
}

// Forgotten is called when the receiver is not in the next graph.
func (r *rest) Forgotten() {
	for _, b := range r.queue {
		r.account.Evict(pipeline.DropShutdown, b.Items, len(b.Request))
	}
}

func (h *Backlog) estate() string { return "backlog of " + h.signal.String() }

const (
	// backlogLinger is how long the first batch waits for others, at least.
	backlogLinger = 50 * time.Millisecond
	// maxMergedBytes is a quarter of an OTLP receiver's default limit.
	maxMergedBytes = 1 << 20
)

// NewBacklog makes a Backlog in front of an output of the receiver of s. maxBytes bounds what waits.
func NewBacklog(s pipeline.Settings, next pipeline.Sink, sig pipeline.Signal, maxBytes int) *Backlog {
	h := &Backlog{
		settings: s, next: next, signal: sig, account: s.Holding(sig), maxBytes: maxBytes, maxMerged: min(maxMergedBytes, maxBytes/8),
		linger: backlogLinger, wake: make(chan struct{}, 1), full: make(chan struct{}, 1), done: make(chan struct{}), drains: make(chan struct{}),
	}
	return h
}

// Gather makes batches wait for others up to d. Call it before Start.
func (h *Backlog) Gather(d time.Duration) { h.linger = max(d, backlogLinger) }

// backlogBuffers are reused: requests are about 100 kB every few seconds.
var backlogBuffers = sync.Pool{New: func() any { return new(wire.Request) }}

// maxBacklogBuffer keeps rare huge buffers out of the pool.
const maxBacklogBuffer = 4 << 20

// gone recycles an answered batch. Builds with poison overwrite it to expose sinks that kept it.
func gone(b pipeline.Batch) {
	if cap(b.Request) > maxBacklogBuffer {
		return
	}
	poison.Fill(b.Request)
	backlogBuffers.Put(&b.Request)
}

// Start starts sending.
func (h *Backlog) Start(context.Context) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	h.stop = cancel
	if r, is := h.settings.Inherit(h.estate()).(*rest); is {
		h.queue = r.queue
		for _, b := range r.queue {
			h.bytes += len(b.Request)
		}
		notify(h.wake)
	}
	go h.run(h.account.Booked(ctx))
	return nil
}

// Put queues a request of so many items and bytes, which write appends to dst. It never blocks.
func (h *Backlog) Put(items, size int, write func(dst []byte) []byte) {
	h.account.Enter(items, size)
	h.mu.Lock()
	h.add(items, size, write)
	h.bytes += size
	var lost []pipeline.Batch
	for h.bytes > h.maxBytes && len(h.queue) > 1 {
		lost = append(lost, h.queue[0])
		h.bytes -= len(h.queue[0].Request)
		h.queue = h.queue[1:]
	}
	h.mu.Unlock()
	for _, b := range lost {
		h.account.Evict(pipeline.DropBacklogFull, b.Items, len(b.Request))
		gone(b)
	}
	notify(h.wake)
}

// add appends to the last batch of the queue, or begins another. h.mu must be held.
func (h *Backlog) add(items, size int, write func(dst []byte) []byte) {
	if n := len(h.queue); n == 0 || len(h.queue[n-1].Request)+size > h.maxMerged {
		h.queue = append(h.queue, pipeline.Batch{Signal: h.signal, Request: (*backlogBuffers.Get().(*wire.Request))[:0]})
		h.begun = time.Now()
		if n > 0 {
			notify(h.full)
		}
	}
	last := &h.queue[len(h.queue)-1]
	last.Request = write(last.Request)
	last.Items += items
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Stop sends what waits until ctx ends; the rest is dropped and counted. In a reload it sends until the pipeline
// refuses something, and leaves the rest to the next graph.
func (h *Backlog) Stop(ctx context.Context) error {
	if h.stop == nil {
		return nil
	}
	r := &rest{account: h.account}
	h.once.Do(func() {
		h.handsOn = h.settings.Leave(h.estate(), r)
		close(h.drains)
	})
	notify(h.wake)
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
	r.queue = left
	if !h.handsOn {
		r.Forgotten()
	}
	return nil
}

func (h *Backlog) run(ctx context.Context) {
	defer close(h.done)
	for {
		select {
		case <-h.wake:
		case <-ctx.Done():
			return
		}
		for h.waiting() {
			if !h.lingered(ctx) {
				return
			}
			for b, ok := h.take(); ok; b, ok = h.take() {
				if !h.send(ctx, b) {
					return
				}
			}
		}
		if h.draining() {
			return
		}
	}
}

func (h *Backlog) draining() bool {
	select {
	case <-h.drains:
		return true
	default:
		return false
	}
}

func (h *Backlog) waiting() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.queue) > 0
}

// lingered waits for batches to merge; false when the drain time is over.
func (h *Backlog) lingered(ctx context.Context) bool {
	h.mu.Lock()
	due := time.Until(h.begun.Add(h.linger))
	h.mu.Unlock()
	select {
	case <-time.After(due):
		return true
	case <-h.full:
		return true
	case <-h.drains:
		return true
	case <-ctx.Done():
		return false
	}
}

// take returns the oldest batch that need not wait: a full one, or one that has waited.
func (h *Backlog) take() (pipeline.Batch, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.queue)
	if n == 0 || n == 1 && !h.draining() && time.Since(h.begun) < h.linger {
		return pipeline.Batch{}, false
	}
	b := h.queue[0]
	h.queue[0] = pipeline.Batch{}
	h.queue = h.queue[1:]
	h.bytes -= len(b.Request)
	return b, true
}

// send repeats the refused items of a batch until all are taken or rejected, or the drain time ends. Newer batches
// may be dropped meanwhile; this one is at most as old as the outage.
func (h *Backlog) send(ctx context.Context, b pipeline.Batch) bool {
	pause := backoff.Backoff{Min: 200 * time.Millisecond, Max: 5 * time.Second}
	for {
		a := pipeline.Read(h.next.Consume(ctx, b), b.Items)
		if a.Refusal == nil {
			h.account.Leave(b.Items, len(b.Request), a.Err())
			gone(b)
			return true
		}
		b = h.settle(b, a)
		if h.draining() && h.handsOn {
			h.putBack(b)
			return false
		}
		select {
		case <-time.After(pause.Next(a.Refusal.After)):
		case <-h.handing():
		case <-ctx.Done():
			h.account.Evict(pipeline.DropShutdown, b.Items, len(b.Request))
			return false
		}
	}
}

// handing is closed by Stop, to retry at once.
func (h *Backlog) handing() <-chan struct{} {
	if h.draining() {
		return nil
	}
	return h.drains
}

func (h *Backlog) putBack(b pipeline.Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queue = append([]pipeline.Batch{b}, h.queue...)
	h.bytes += len(b.Request)
}

// settle books the items that were not refused, and returns a batch of the others.
func (h *Backlog) settle(b pipeline.Batch, a pipeline.Answer) pipeline.Batch {
	if a.Refused.Len() == b.Items {
		return b
	}
	rest := b.CutRanges((*backlogBuffers.Get().(*wire.Request))[:0], a.Refused)
	left := pipeline.Answer{Items: b.Items - rest.Items, Rejected: a.Rejected}
	for i := range left.Rejected { // counts are enough for the books
		left.Rejected[i].Count, left.Rejected[i].Ranges = left.Rejected[i].Len(), nil
	}
	h.account.Leave(left.Items, len(b.Request)-len(rest.Request), &left)
	gone(b)
	return rest
}
