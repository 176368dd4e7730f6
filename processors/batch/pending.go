package batch

import (
	"context"
	"time"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// pending is the merged requests of several callers in one buffer. Guarded by Processor.mu until sealed; then buf,
// items and callers are constant.
type pending struct {
	key     *keyState
	signal  pipeline.Signal
	origin  pipeline.Origin
	buf     []byte
	lent    *[]byte // what buf came from
	items   int
	callers []*caller
	staying int // callers that have not gone
	sealed  bool
	timer   *time.Timer

	// ctx is made by seal. It ends when every caller has left, and has the last deadline if all have one: no single
	// caller cancels the others.
	ctx    context.Context
	cancel context.CancelFunc
}

type caller struct {
	batch      *pending
	from       *peer
	start, end int // of its bytes in the buffer
	items      int
	origin     pipeline.Origin
	deadline   time.Time // zero: it has none
	gone       bool
	fate       chan error // one answer, buffered
}

// requests are the buffers of merged requests.
var requests = buffer.Scratch{Most: 8 << 20}

func newPending(k *keyState, b pipeline.Batch) *pending {
	buf := requests.Get()
	return &pending{key: k, signal: b.Signal, origin: b.Origin, buf: *buf, lent: buf}
}

// add copies a request: its caller may be answered early and reuse the buffer.
func (w *pending) add(ctx context.Context, b pipeline.Batch) *caller {
	c := &caller{batch: w, start: len(w.buf), items: b.Items, origin: b.Origin, fate: make(chan error, 1)}
	c.deadline, _ = ctx.Deadline()
	w.buf = append(w.buf, b.Request...)
	c.end = len(w.buf)
	w.items += b.Items
	w.callers = append(w.callers, c)
	w.staying++
	return c
}

// leave removes a caller, and before the seal its bytes.
func (w *pending) leave(c *caller) {
	c.gone = true
	w.staying--
	if !w.sealed {
		w.remove(c)
	} else if w.staying == 0 {
		w.cancel()
	}
}

func (w *pending) remove(c *caller) {
	n := c.end - c.start
	w.buf = append(w.buf[:c.start], w.buf[c.end:]...)
	w.items -= c.items
	kept := w.callers[:0]
	for _, o := range w.callers {
		if o == c {
			continue
		}
		if o.start >= c.end {
			o.start -= n
			o.end -= n
		}
		kept = append(kept, o)
	}
	w.callers = kept
}

// seal fixes the callers; it reports whether anybody is left.
func (w *pending) seal() bool {
	w.sealed = true
	var last time.Time
	for _, c := range w.callers {
		if c.deadline.IsZero() {
			last = time.Time{}
			break
		}
		if c.deadline.After(last) {
			last = c.deadline
		}
	}
	if last.IsZero() {
		w.ctx, w.cancel = context.WithCancel(context.Background())
	} else {
		w.ctx, w.cancel = context.WithDeadline(context.Background(), last)
	}
	return w.staying > 0
}

// merged is the merged request. Peer and identity are kept only for a single caller.
func (w *pending) merged() pipeline.Batch {
	b := pipeline.Batch{Signal: w.signal, Request: wire.Request(w.buf), Items: w.items}
	if len(w.callers) == 1 {
		b.Origin = w.callers[0].origin
	} else {
		b.Origin = pipeline.Origin{Tenant: w.origin.Tenant, Route: w.origin.Route, Metadata: w.origin.Metadata}
	}
	return b
}

// free recycles the buffer: by contract nobody below holds it any more.
func (w *pending) free() {
	w.cancel()
	*w.lent = w.buf
	requests.Put(w.lent)
}
