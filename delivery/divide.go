package delivery

import (
	"context"
	"errors"
	"math/bits"
	"sync"

	"github.com/sluiceio/sluice/pipeline"
)

// Pieces is how a rejected request may be cut apart: into items for OTLP, into whole series for remote write, into
// whole streams for Loki. They are numbered in the order in which they stand in the request.
type Pieces interface {
	Len() int
	// Cut makes a request of the pieces from one index up to another, the latter not included.
	Cut(from, to int) *Payload
	// Items are the items of the batch that have something in these pieces.
	Items(from, to int) pipeline.Ranges
	// Within is how a single piece may be cut apart, into requests that keep their order; nil when it may not.
	Within(i int) Pieces
	// Rejected is told of a piece that was rejected alone, so that it may go in a request of its own next time.
	Rejected(i int)
}

const (
	// firstProbes is into how many requests a rejected one is divided first: most of it is taken then, in one round trip.
	firstProbes = 16
	// nextProbes is the same for what is rejected again. Four find one bad piece with as few requests as halves do, in half
	// the round trips.
	nextProbes = 4
	// hopelessProbes is the first division while all that was sent lately was rejected.
	hopelessProbes = 2
)

// errUndivided is what the items are told that were in a rejected request and were not tried alone.
var errUndivided = errors.New("it was in a rejected request, and there were too many to try each alone")

// A division finds the pieces of a request that its destination rejects, so that one bad record costs itself. It is
// done here, behind every fan-out, and nowhere else: no other branch gets anything again.
//
// It is bounded: for a batch, for the destination, and where nothing is found it ends at once. What is undecided then
// is rejected as rejected_undivided, never held.
type division struct {
	k       *Sender
	ctx     context.Context
	at      *place
	pieces  Pieces
	request *Payload
	ordered bool // one request after the other
	left    int  // requests that may still be made

	mu     *sync.Mutex
	gather *pipeline.Gather
}

// divide sends the pieces of p, which was rejected for rej, in smaller requests. What became of them goes to g.
func (k *Sender) divide(ctx context.Context, at *place, p *Payload, pieces Pieces, rej *pipeline.Rejected, g *pipeline.Gather) {
	n := pieces.Len()
	_, byItem := pieces.(itemPieces)
	d := &division{
		k: k, ctx: ctx, at: at, pieces: pieces, request: p, gather: g, mu: &sync.Mutex{}, left: 4*bits.Len(uint(n)) + 16,
		ordered: byItem && p.Signal == pipeline.Metrics, // the points of a series may be in several
	}
	width := firstProbes
	switch {
	case rej.Reason == pipeline.DropTooLarge:
		width = 2
	case !k.probes.hopeful():
		width = hopelessProbes
	}
	d.split(0, n, width, rej)
}

// split divides the pieces from from to to, which were rejected together.
func (d *division) split(from, to, width int, rej *pipeline.Rejected) {
	n := to - from
	if n == 0 {
		return
	}
	if n == 1 {
		d.alone(from, rej)
		return
	}
	width = min(width, n)
	if !d.allow(width) {
		d.undivided(from, to, rej)
		return
	}
	answers := d.probe(from, to, width)
	taken, alike := 0, true
	for _, a := range answers {
		if a == nil {
			taken++
		} else {
			alike = alike && a.Error() == rej.Error()
		}
	}
	if taken > 0 {
		d.k.probes.useful(width)
	}
	if first := from == 0 && to == d.pieces.Len(); first && width < n && taken == 0 && alike && rej.Reason != pipeline.DropTooLarge {
		d.k.probes.hopeless()
		d.undivided(from, to, rej)
		return
	}
	next := nextProbes
	if len(answers)-taken == 1 && d.left >= firstProbes && !d.ordered {
		next = firstProbes // one bad piece: there are requests enough to save a round trip
	}
	for i, a := range answers {
		if lo, hi := cut(from, n, i, width), cut(from, n, i+1, width); a != nil {
			d.split(lo, hi, next, a)
		}
	}
}

// alone ends with a piece that is rejected by itself, unless it can be cut apart further.
func (d *division) alone(i int, rej *pipeline.Rejected) {
	d.pieces.Rejected(i)
	inner := d.pieces.Within(i)
	if inner == nil || inner.Len() < 2 {
		d.reject(i, i+1, rej)
		return
	}
	in := *d
	in.pieces, in.ordered = inner, true
	in.left += 4 * bits.Len(uint(inner.Len()))
	in.split(0, inner.Len(), nextProbes, rej)
	d.left = min(d.left, in.left)
}

// cut is where the i-th of so many parts begins.
func cut(from, n, i, parts int) int { return from + n*i/parts }

// probe sends the pieces in so many requests. It returns those that were rejected as a whole; what became of the others
// is gathered.
func (d *division) probe(from, to, width int) []*pipeline.Rejected {
	answers := make([]*pipeline.Rejected, width)
	var wg sync.WaitGroup
	for i := range width {
		lo, hi := cut(from, to-from, i, width), cut(from, to-from, i+1, width)
		one := func() { answers[i] = d.send(lo, hi) }
		if d.ordered {
			one()
		} else {
			wg.Go(one)
		}
	}
	wg.Wait()
	return answers
}

// send delivers some pieces as one request. It returns the rejection of all of them; everything else is gathered.
func (d *division) send(from, to int) *pipeline.Rejected {
	p := d.pieces.Cut(from, to)
	p.maybeSent.Store(d.request.maybeSent.Load())
	items := d.pieces.Items(from, to)
	p.Items = items.Len()
	d.at.hold()
	err := d.k.deliver(d.ctx, d.at, p)
	if err == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if rej := whole(err, p); rej != nil {
		return rej
	}
	if ref, refused := pipeline.AsRefused(err); refused {
		d.gather.Refuse(items, ref)
		return nil
	}
	for _, rej := range pipeline.Read(err, p.Items).Rejected { // a partial success
		d.gather.Reject(rej)
	}
	return nil
}

// whole is the rejection of all of a request, if that is what err is.
func whole(err error, p *Payload) *pipeline.Rejected {
	var rej *pipeline.Rejected
	if errors.As(err, &rej) && rej.Ranges == nil && (rej.Count == 0 || rej.Count >= p.Items) {
		return &pipeline.Rejected{Reason: rej.Reason, Err: rej.Err}
	}
	return nil
}

// allow takes what so many requests need, from the batch and from the destination.
func (d *division) allow(n int) bool {
	if d.left < n || d.ctx.Err() != nil || !d.k.probes.take(n) {
		return false
	}
	d.left -= n
	return true
}

func (d *division) undivided(from, to int, rej *pipeline.Rejected) {
	if d.ctx.Err() != nil {
		d.gather.Refuse(d.pieces.Items(from, to), pipeline.Withdrawn(d.ctx))
		return
	}
	r := *rej
	if !d.there(rej) {
		r.Reason, r.Err = pipeline.DropUndivided, errors.Join(errUndivided, rej.Err)
	}
	d.reject(from, to, &r)
}

func (d *division) reject(from, to int, rej *pipeline.Rejected) {
	items := d.pieces.Items(from, to)
	if d.there(rej) {
		d.k.alreadyThere(d.request, items.Len())
		return
	}
	d.gather.Reject(pipeline.Rejected{Ranges: items, Reason: rej.Reason, Err: rej.Err})
}

// there says whether a rejection means that the destination has the samples from an attempt of which no answer came.
func (d *division) there(rej *pipeline.Rejected) bool {
	return d.request.maybeSent.Load() && hadBefore(rej.Reason)
}

// hadBefore are the reasons that a store of samples gives for what it has already.
func hadBefore(why pipeline.Reason) bool {
	return why == pipeline.DropOutOfOrder || why == pipeline.DropDuplicate
}

// itemPieces cuts a request into the items of its batch.
type itemPieces struct {
	batch  pipeline.Batch
	encode func(pipeline.Batch) *Payload
}

// ByItem is the Pieces of a destination that takes each item by itself, as OTLP does.
func ByItem(b pipeline.Batch, encode func(pipeline.Batch) *Payload) Pieces {
	return itemPieces{b, encode}
}

func (p itemPieces) Len() int { return p.batch.Items }

func (p itemPieces) Items(from, to int) pipeline.Ranges {
	return pipeline.NewRanges([]pipeline.Range{{From: from, To: to}})
}

func (p itemPieces) Within(int) Pieces { return nil }

func (p itemPieces) Rejected(int) {}

func (p itemPieces) Cut(from, to int) *Payload { return p.encode(p.batch.Cut(from, to)) }
