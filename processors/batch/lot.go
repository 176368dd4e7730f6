package batch

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/poison"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// lot is requests of several callers, one after the other in one buffer. Its fields are under Processor.mu
// until it is sealed; then buf, items and callers do not change any more.
type lot struct {
	signal  pipeline.Signal
	origin  pipeline.Origin
	buf     []byte
	items   int
	callers []*caller
	staying int // callers that have not gone
	sealed  bool
	timer   *time.Timer

	// ctx is made by the seal. It ends when every caller has gone, and has their last deadline if each has one: a
	// single caller never cancels the others' request.
	ctx    context.Context
	cancel context.CancelFunc
}

// caller is one Consume that waits in a lot.
type caller struct {
	lot        *lot
	start, end int // of its bytes in the lot's buffer
	items      int
	parts      []pipeline.Part // of a request that was merged before
	origin     pipeline.Origin
	deadline   time.Time // zero: it has none
	gone       bool
	fate       chan error // one answer, buffered
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledBytes keeps a rare huge request from staying in the pool for ever.
const maxPooledBytes = 8 << 20

// newLot makes an empty lot for requests like b.
func newLot(b pipeline.Batch) *lot {
	l := &lot{signal: b.Signal, origin: b.Origin}
	l.buf = (*buffers.Get().(*[]byte))[:0]
	return l
}

// add copies a request in: the caller's buffer is its own again when it is answered, which may be early.
func (l *lot) add(ctx context.Context, b pipeline.Batch) *caller {
	c := &caller{lot: l, start: len(l.buf), items: b.Items, parts: slices.Clone(b.Parts), origin: b.Origin, fate: make(chan error, 1)}
	c.deadline, _ = ctx.Deadline()
	l.buf = append(l.buf, b.Request...)
	c.end = len(l.buf)
	l.items += b.Items
	l.callers = append(l.callers, c)
	l.staying++
	return c
}

// leave takes a caller out. Before the seal its bytes are taken out too, and others may still join.
func (l *lot) leave(c *caller) {
	c.gone = true
	l.staying--
	if !l.sealed {
		l.remove(c)
	} else if l.staying == 0 {
		l.cancel()
	}
}

func (l *lot) remove(c *caller) {
	n := c.end - c.start
	l.buf = append(l.buf[:c.start], l.buf[c.end:]...)
	l.items -= c.items
	kept := l.callers[:0]
	for _, o := range l.callers {
		if o == c {
			continue
		}
		if o.start >= c.end {
			o.start -= n
			o.end -= n
		}
		kept = append(kept, o)
	}
	l.callers = kept
}

// seal ends the time in which callers join and leave freely; it reports whether anybody is left.
func (l *lot) seal() bool {
	l.sealed = true
	var last time.Time
	for _, c := range l.callers {
		if c.deadline.IsZero() {
			last = time.Time{}
			break
		}
		if c.deadline.After(last) {
			last = c.deadline
		}
	}
	if last.IsZero() {
		l.ctx, l.cancel = context.WithCancel(context.Background())
	} else {
		l.ctx, l.cancel = context.WithDeadline(context.Background(), last)
	}
	return l.staying > 0
}

// batch is the merged request. The peer and the identity are kept only when there is one caller.
func (l *lot) batch() pipeline.Batch {
	b := pipeline.Batch{Signal: l.signal, Request: wire.Request(l.buf), Items: l.items}
	if len(l.callers) == 1 {
		b.Origin, b.Parts = l.callers[0].origin, l.callers[0].parts
		return b
	}
	b.Origin = pipeline.Origin{Tenant: l.origin.Tenant, Route: l.origin.Route}
	for _, c := range l.callers {
		for _, p := range c.parts {
			b.Parts = append(b.Parts, pipeline.Part{End: c.start + p.End, Items: p.Items})
		}
		if len(c.parts) == 0 {
			b.Parts = append(b.Parts, pipeline.Part{End: c.end, Items: c.items})
		}
	}
	return b
}

// free gives the buffer back: by contract nobody below holds it any more.
func (l *lot) free() {
	l.cancel()
	if cap(l.buf) > maxPooledBytes {
		return
	}
	poison.Fill(l.buf)
	buffers.Put(&l.buf)
}
