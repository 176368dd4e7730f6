package queue

import (
	"context"
	"time"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
)

// A gather is the callers whose batches become one record: compressed once, and one request on the wire.
type gather struct {
	body  *buffer.Buffer
	items int
	left  int           // items of callers that were refused at their deadline; they are stored all the same
	ready chan struct{} // closed when it waits for nobody more
	due   bool          // ready is closed
	done  chan struct{}
	err   error
}

func (g *gather) dueLocked() {
	if !g.due {
		g.due = true
		close(g.ready)
	}
}

// putAll stores a batch, in pieces if it is larger than a record may be. Only the last one waits for company. What is behind a
// refused piece is refused unseen: stored, it would be out of order, and come twice when the caller repeats.
func (l *lane) putAll(ctx context.Context, b pipeline.Batch, waits bool) error {
	o := &l.q.o.Batching
	size := o.size(b.Items, len(b.Request))
	if o.Timeout <= 0 || o.Max <= 0 || size <= o.Max || b.Items < 2 {
		return l.put(ctx, b, waits)
	}
	pieces := min((size+o.Max-1)/o.Max, b.Items)
	step := (b.Items + pieces - 1) / pieces
	if !o.Bytes {
		step = o.Max
	}
	g := pipeline.NewGather(b.Items)
	for from := 0; from < b.Items; from += step {
		if refusal := g.Answer().Refusal; refusal != nil {
			g.Refuse(pipeline.NewRanges([]pipeline.Range{{From: from, To: b.Items}}), refusal)
			break
		}
		to := min(from+step, b.Items)
		piece := b.Cut(from, to)
		g.Add(l.putAll(ctx, piece, waits && to == b.Items), piece.Items, pipeline.ItemMap{{From: from, N: piece.Items}})
	}
	return g.Err()
}

// put adds a batch to the record that gathers. The first caller of a record writes it, for all.
func (l *lane) put(ctx context.Context, b pipeline.Batch, waits bool) error {
	o := &l.q.o.Batching
	l.mu.Lock()
	g := l.open
	leads := g == nil || len(g.body.B)+len(b.Request) > l.q.o.MaxRecord || o.Max > 0 && o.size(g.items+b.Items, len(g.body.B)+len(b.Request)) > o.Max
	if leads {
		if g != nil {
			g.dueLocked() // it has its own writer
		}
		g = &gather{body: l.q.o.Pool.Get(len(b.Request)), ready: make(chan struct{}), done: make(chan struct{})}
		l.open = g
	}
	g.body.B = append(g.body.B, b.Request...)
	g.items += b.Items
	if !waits || o.Timeout <= 0 || o.size(g.items, len(g.body.B)) >= o.Min || len(g.body.B) >= l.q.o.MaxRecord {
		g.dueLocked()
	}
	l.mu.Unlock()
	if leads {
		l.wait(ctx, g)
		l.write(g, b.Origin)
		return g.err
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-g.done:
		return g.err
	default:
		g.left += b.Items
		return pipeline.Withdrawn(ctx)
	}
}

// wait gives other callers time to join. It ends early when the record is large enough, when the caller that writes it has
// no more time, and when the queue closes.
func (l *lane) wait(ctx context.Context, g *gather) {
	if l.q.o.Batching.Timeout <= 0 {
		return
	}
	t := time.NewTimer(l.q.o.Batching.Timeout)
	defer t.Stop()
	select {
	case <-g.ready:
	case <-t.C:
	case <-ctx.Done():
	case <-l.q.stop:
	}
}

// write stores what gathered until the record before it was written.
func (l *lane) write(g *gather, o pipeline.Origin) {
	l.commit <- struct{}{}
	l.mu.Lock()
	if l.open == g {
		l.open = nil
	}
	l.mu.Unlock()
	err := l.store(g, o)
	l.mu.Lock()
	g.err = err
	left := g.left
	close(g.done)
	l.mu.Unlock()
	if err == nil && left > 0 {
		l.q.o.Books.DeliveredAfterRefusal(l.signal, left)
	}
	g.body.Release()
}
