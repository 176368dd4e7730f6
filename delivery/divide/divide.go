// Package divide finds the pieces of a request that its destination rejects, so that one bad record costs itself.
//
// It is done here, behind every fan-out, and nowhere else: no other branch gets anything again. It is bounded, for a
// batch and for a destination, and ends at once where nothing is found. What is undecided then is rejected as
// rejected_undivided, never held, and never called delivered.
package divide

import (
	"context"
	"errors"
	"log/slog"
	"math/bits"
	"strings"
	"sync"

	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
)

// A Divider divides what one destination rejects.
type Divider struct {
	// Deliver sends a request until there is an answer that ends the matter.
	Deliver func(ctx context.Context, p *payload.Payload) error
	// AlreadyThere books items of p that the destination has from an attempt that had no answer.
	AlreadyThere func(p *payload.Payload, items int)
	// History is what earlier divisions found out about the destination.
	History *History
	// Suspects are the pieces that it keeps rejecting; nil where pieces have no key.
	Suspects *Suspects
	Log      *slog.Logger
}

// A Rejection is a request that was rejected as a whole, and how it may be cut apart. Pieces may be asked only while the
// batch is lent.
type Rejection struct {
	Request *payload.Payload
	Pieces  Pieces
	Why     *pipeline.Rejected
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

// division is one request that is divided, or one piece of it.
type division struct {
	*Divider
	ctx     context.Context
	request *payload.Payload
	pieces  Pieces
	ordered bool            // one request after the other
	series  bool            // the pieces are samples of one series, in order of time
	left    *int            // requests that may still be made
	waiting int             // spans that were rejected and wait for their turn
	before  pipeline.Ranges // items of pieces before these

	stopped *pipeline.Refused // where pieces keep their order: one was refused, and nothing may go out behind it
	mu      *sync.Mutex
	gather  *pipeline.Gather
}

// A span is the pieces from one index up to another.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

// cuts divides a span into so many parts.
func (s span) cuts(parts int) []span {
	out := make([]span, parts)
	for i := range out {
		out[i] = span{s.from + s.len()*i/parts, s.from + s.len()*(i+1)/parts}
	}
	return out
}

// An outcome is what became of a span that was sent in one request: taken, rejected as a whole, or neither, when its items
// met different fates or may be sent again.
type outcome struct {
	taken bool
	loss
}

// A loss is the rejection of a span.
type loss struct {
	why *pipeline.Rejected
	// maybe is set when the span may have arrived in a request without an answer.
	maybe *unanswered
}

// Divide sends the pieces of a request in smaller ones. What became of them goes to g.
func (k *Divider) Divide(ctx context.Context, r Rejection, g *pipeline.Gather) {
	n := r.Pieces.Len()
	_, byItem := r.Pieces.(itemPieces)
	left := 4*bits.Len(uint(max(n, r.Request.Items))) + 16
	d := &division{
		Divider: k, ctx: ctx, request: r.Request, pieces: r.Pieces, left: &left,
		ordered: byItem && r.Request.Signal == pipeline.Metrics, // the points of a series may be in several
		mu:      &sync.Mutex{}, gather: g,
	}
	width := firstProbes
	switch {
	case r.Why.Reason == pipeline.DropTooLarge:
		width = 2
	case !k.History.hopeful():
		width = hopelessProbes
	}
	l := loss{why: r.Why}
	if r.Request.MayHaveArrived() {
		l.maybe = &unanswered{}
	} else if n > 1 && k.Suspects.all(r.Pieces) {
		d.undivided([]span{{0, n}}, l, "each part of it was rejected alone lately")
		return
	}
	d.split(span{0, n}, width, l)
}

// split divides pieces that were rejected together.
func (d *division) split(s span, width int, l loss) {
	switch n := s.len(); {
	case n == 0:
		return
	case n == 1:
		d.alone(s.from, l)
		return
	case n > firstProbes && d.doubted(l):
		d.ask(s, l)
		return
	}
	d.round(s.cuts(min(width, s.len())), l, s == span{0, d.pieces.Len()})
}

// round sends spans that were rejected together, each in a request, and goes on with those that are rejected again. In the
// first round of a request nothing may come of it; then it ends.
func (d *division) round(spans []span, l loss, first bool) {
	if d.stopped != nil {
		d.refuse(spans)
		return
	}
	if !d.allow(len(spans)) {
		d.undivided(spans, l, "no more requests may be made to find what is bad in it")
		return
	}
	outcomes := d.probe(spans, l)
	rejected, alike, taken := 0, true, false
	for i, o := range outcomes {
		taken = taken || o.taken
		if o.taken {
			d.learn(spans[i], l)
			d.Suspects.clear(d.pieces, spans[i])
		}
		if o.why != nil {
			rejected++
			alike = alike && gist(o.why) == gist(l.why)
		}
	}
	if taken {
		d.History.useful(len(spans))
	}
	if first && len(spans) < d.pieces.Len() && rejected == len(spans) && alike && !d.series && l.why.Reason != pipeline.DropTooLarge {
		d.sample(l)
		return
	}
	next := nextProbes
	if rejected == 1 && d.waiting == 0 && *d.left >= firstProbes && !d.ordered {
		next = firstProbes // one bad piece: there are requests enough to save a round trip
	}
	last := -1 // of a series, the last part that was rejected
	for i := range outcomes {
		if d.series && outcomes[i].why != nil && outcomes[i].why.Reason == pipeline.DropOutOfOrder {
			last = i
		}
	}
	d.waiting += rejected
	defer func(before int) { d.waiting = before }(d.waiting - rejected)
	if last >= 0 {
		d.waiting--
		d.split(spans[last], next, outcomes[last].loss)
	}
	for i, o := range outcomes {
		if o.why != nil && i != last {
			d.waiting--
		}
		switch {
		case o.why == nil || i == last:
		case i < last: // what stands before a sample that is out of order is so, too
			d.reject(spans[i], o.loss)
		default:
			d.split(spans[i], next, o.loss)
		}
	}
}

// alone ends with a piece that is rejected by itself, unless it can be cut apart further.
func (d *division) alone(i int, l loss) {
	inner, byTime := d.pieces.Within(i)
	if d.tells(i, l.why) {
		l.maybe = nil
	}
	if !d.there(l) {
		d.Suspects.add(d.pieces, span{i, i + 1}, true)
	}
	if inner == nil || inner.Len() < 2 {
		d.reject(span{i, i + 1}, l)
		return
	}
	in := *d
	in.before = d.before.Union(d.pieces.Items(0, i))
	in.pieces, in.ordered, in.series = inner, true, byTime
	in.split(span{0, inner.Len()}, nextProbes, l)
}

// gist is what a rejection says, without what differs from one record to the next.
func gist(rej *pipeline.Rejected) string {
	text, _, _ := strings.Cut(rej.Error(), "{")
	return string(rej.Reason) + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}

// probe sends each span in a request.
func (d *division) probe(spans []span, l loss) []outcome {
	outcomes := make([]outcome, len(spans))
	var wg sync.WaitGroup
	for i, s := range spans {
		if d.ordered {
			if outcomes[i] = d.send(s, l); d.stopped != nil {
				d.refuse(spans[i+1:])
				break
			}
			continue
		}
		wg.Go(func() { outcomes[i] = d.send(s, l) })
	}
	wg.Wait()
	return outcomes
}

// send delivers a span as one request. What became of it is gathered, unless all of it was rejected.
func (d *division) send(s span, l loss) outcome {
	p := d.pieces.Cut(s.from, s.to)
	items := d.pieces.Items(s.from, s.to)
	p.Items = d.count(s.from, items)
	err := d.Deliver(d.ctx, p)
	if err == nil {
		return outcome{taken: true}
	}
	if rej := Whole(err, p.Items); rej != nil {
		again := loss{rej, l.maybe}
		if p.MayHaveArrived() { // an attempt of its own had no answer
			again.maybe = &unanswered{}
		}
		return outcome{loss: again}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if ref, refused := pipeline.AsRefused(err); refused {
		d.gather.Refuse(items, ref)
		if d.ordered {
			d.stopped = ref
		}
		return outcome{}
	}
	for _, rej := range pipeline.Read(err, p.Items).Rejected { // a partial success
		d.gather.Reject(rej)
	}
	return outcome{taken: true}
}

// refuse is for pieces behind one that is refused: they must not arrive before it comes again.
func (d *division) refuse(spans []span) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range spans {
		d.gather.Refuse(d.pieces.Items(s.from, s.to), d.stopped)
	}
}

// count is how many of the items are booked with the pieces from an index on: an item that is in several pieces, as a
// histogram is, counts with the first.
func (d *division) count(from int, items pipeline.Ranges) int {
	if _, byItem := d.pieces.(itemPieces); byItem {
		return items.Len()
	}
	return items.Without(d.before.Union(d.pieces.Items(0, from))).Len()
}

// Whole is the rejection of all of a request with so many items, if that is what err is.
func Whole(err error, items int) *pipeline.Rejected {
	var rej *pipeline.Rejected
	if errors.As(err, &rej) && rej.Ranges == nil && (rej.Count == 0 || rej.Count >= items) && !errors.Is(rej.Err, errFinal) {
		return &pipeline.Rejected{Reason: rej.Reason, Err: rej.Err}
	}
	return nil
}

// Final marks why items of a partial success were turned down: the destination has looked at each, and dividing tells no more.
func Final(why error) error { return final{why} }

var errFinal = errors.New("the destination has looked at each item")

type final struct{ error }

func (f final) Is(target error) bool { return target == errFinal }
func (f final) Unwrap() error        { return f.error }

// allow takes what so many requests need, from the batch and from the destination.
func (d *division) allow(n int) bool {
	if *d.left < n || d.ctx.Err() != nil || !d.History.take(n) {
		return false
	}
	*d.left -= n
	return true
}

// undivided ends with pieces that are not tried alone, and says why in the log.
func (d *division) undivided(spans []span, l loss, why string) {
	var items pipeline.Ranges
	for _, s := range spans {
		items = items.Union(d.pieces.Items(s.from, s.to))
	}
	if d.ctx.Err() != nil {
		d.gather.Refuse(items, pipeline.Withdrawn(d.ctx))
		return
	}
	for _, s := range spans {
		d.Suspects.add(d.pieces, s, false)
	}
	if suppressed, due := d.History.undivided.Now(); due {
		d.Log.Error("a rejected request was dropped with whatever good records it had, as rejected_undivided: "+why,
			"items", items.Len(), "of", d.request.Items, "error", l.why.Err, "suppressed", suppressed)
	}
	d.gather.Reject(pipeline.Rejected{Ranges: items, Reason: pipeline.DropUndivided, Err: errors.Join(errUndivided, l.why.Err)})
}

func (d *division) reject(s span, l loss) {
	items := d.pieces.Items(s.from, s.to)
	if d.there(l) {
		d.AlreadyThere(d.request, d.count(s.from, items))
		return
	}
	d.gather.Reject(pipeline.Rejected{Ranges: items, Reason: l.why.Reason, Err: l.why.Err})
}
