// Package source is what receivers share that have no sender to answer to: a Backlog for those that cannot wait (scrapes,
// host metrics), a Submitter for those that can (files, the journal).
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

// Backlog stands between a source that cannot wait (a scrape, host metrics) and a pipeline that may: Put never
// blocks, and when more than its bytes are waiting, the oldest are dropped as backlog_full. One goroutine sends, in
// order, and repeats what is refused.
//
// Batches that are put within a moment of each other are merged: what a request costs on its way (calls of the
// kernel, wake-ups, headers) is more than what a target's metrics cost.
//
// It is memory only: what waits here when the process dies is gone, and what waits when the drain's time ends is
// counted as shutdown_timeout. A reload does not wait for a destination that is away: what it refuses goes to the Backlog
// of the next graph.
type Backlog struct {
	settings  pipeline.Settings
	next      pipeline.Sink
	signal    pipeline.Signal
	account   pipeline.Holding
	maxBytes  int
	maxMerged int // bytes that are merged

	mu    sync.Mutex
	queue []pipeline.Batch // merged; only the last one grows
	bytes int

	wake chan struct{} // there is something in the queue, or it drains
	stop context.CancelCauseFunc
	done chan struct{}

	drains  chan struct{} // closed when nothing more comes
	once    sync.Once
	handsOn bool // what is refused then goes to the next graph; set before drains is closed
}

// rest is what a Backlog leaves to the one of the next graph.
type rest struct {
	account pipeline.Holding
	queue   []pipeline.Batch
}

// Forgotten implements what pipeline.Estates asks for: the receiver is not in the next graph.
func (r *rest) Forgotten() {
	for _, b := range r.queue {
		r.account.Evict(pipeline.DropShutdown, b.Items, len(b.Request))
	}
}

func (h *Backlog) estate() string { return "backlog of " + h.signal.String() }

const (
	// backlogLinger is how long the first batch waits for others. Nobody reads what was scraped within this time.
	backlogLinger = 50 * time.Millisecond
	// maxMergedBytes is a quarter of what an OTLP receiver takes by default.
	maxMergedBytes = 1 << 20
)

// NewBacklog makes one in front of an output of the receiver that s belongs to. maxBytes bounds what waits.
func NewBacklog(s pipeline.Settings, next pipeline.Sink, sig pipeline.Signal, maxBytes int) *Backlog {
	h := &Backlog{
		settings: s, next: next, signal: sig, account: s.Holding(sig), maxBytes: maxBytes, maxMerged: min(maxMergedBytes, maxBytes/8),
		wake: make(chan struct{}, 1), done: make(chan struct{}), drains: make(chan struct{}),
	}
	return h
}

// backlogBuffers are what Put writes to: a target's request is a hundred kilobytes and comes every few seconds, and
// fresh memory for each is page faults and garbage.
var backlogBuffers = sync.Pool{New: func() any { return new(wire.Request) }}

// maxBacklogBuffer keeps the copy of a rare huge request from staying in the pool.
const maxBacklogBuffer = 4 << 20

// gone gives a batch's copy back when it was answered for. By contract nobody holds it any more; builds for tests
// fill it, so that a sink that does is seen.
func gone(b pipeline.Batch) {
	if cap(b.Request) > maxBacklogBuffer {
		return
	}
	poison.Fill(b.Request)
	backlogBuffers.Put(&b.Request)
}

// Start begins to send.
func (h *Backlog) Start(context.Context) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	h.stop = cancel
	if r, is := h.settings.Inherit(h.estate()).(*rest); is {
		h.queue = r.queue
		for _, b := range r.queue {
			h.bytes += len(b.Request)
		}
		h.notify()
	}
	go h.run(h.account.Booked(ctx))
	return nil
}

// Put takes a request of so many items and bytes, which write appends to what it is given. It never waits.
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
	h.notify()
}

// add appends a request to the last batch of the queue, or begins another. Callers hold h.mu.
func (h *Backlog) add(items, size int, write func(dst []byte) []byte) {
	if n := len(h.queue); n == 0 || len(h.queue[n-1].Request)+size > h.maxMerged {
		h.queue = append(h.queue, pipeline.Batch{Signal: h.signal, Request: (*backlogBuffers.Get().(*wire.Request))[:0]})
	}
	last := &h.queue[len(h.queue)-1]
	last.Request = write(last.Request)
	last.Items += items
}

// notify wakes the goroutine that sends.
func (h *Backlog) notify() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Stop sends what waits, until ctx ends; the rest is dropped and counted. In a reload it sends until the pipeline refuses
// something, and leaves the rest to the next graph.
func (h *Backlog) Stop(ctx context.Context) error {
	if h.stop == nil {
		return nil
	}
	r := &rest{account: h.account}
	h.once.Do(func() {
		h.handsOn = h.settings.Leave(h.estate(), r)
		close(h.drains)
	})
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

func (h *Backlog) draining() bool {
	select {
	case <-h.drains:
		return true
	default:
		return false
	}
}

// lingered waits for what comes together with what is there; it reports false when the drain's time is over.
func (h *Backlog) lingered(ctx context.Context) bool {
	select {
	case <-time.After(backlogLinger):
		return true
	case <-h.drains:
		return true
	case <-ctx.Done():
		return false
	}
}

// take removes the oldest batch, if there is one.
func (h *Backlog) take() (pipeline.Batch, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return pipeline.Batch{}, false
	}
	b := h.queue[0]
	h.queue[0] = pipeline.Batch{}
	h.queue = h.queue[1:]
	h.bytes -= len(b.Request)
	return b, true
}

// send repeats a batch, or those of its items that are refused, until all are taken or rejected, or the drain's time ends.
// Newer batches may be dropped behind it meanwhile; the one in hand is at most as old as the destination's outage.
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

// handing wakes a wait for the next attempt when Stop is called: there is one more at once.
func (h *Backlog) handing() <-chan struct{} {
	if h.draining() {
		return nil
	}
	return h.drains
}

// putBack makes a batch the oldest of the queue again.
func (h *Backlog) putBack(b pipeline.Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queue = append([]pipeline.Batch{b}, h.queue...)
	h.bytes += len(b.Request)
}

// settle books what became of the items that were not refused, and returns the batch of the others.
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
