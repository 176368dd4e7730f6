// Package divide finds the bad records of a rejected request, so that only they are lost.
//
// It runs behind every fan-out, so other branches receive nothing twice. The number of requests is bounded for a
// batch and for a destination. What stays undecided is rejected as rejected_undivided, never held and never counted
// as delivered.
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

// A Divider divides the rejected requests of one destination.
type Divider struct {
	// Deliver sends a request until there is a final answer.
	Deliver func(ctx context.Context, p *payload.Payload) error
	// AlreadyThere books items that the destination has from an unanswered attempt.
	AlreadyThere func(p *payload.Payload, items int)
	// History is shared by all divisions for the destination.
	History *History
	// Suspects are the pieces that it keeps rejecting; nil where pieces have no key.
	Suspects *Suspects
	Log      *slog.Logger
}

// A Rejection is a request that was rejected as a whole. Its Pieces may be used only while the batch is lent.
type Rejection struct {
	Request *payload.Payload
	Pieces  Pieces
	Why     *pipeline.Rejected
}

const (
	// firstProbes is how many requests a rejected one is divided into: most of it is accepted in one round trip.
	firstProbes = 16
	// nextProbes is for later rounds. Four cost as few requests as bisection for one bad piece, in half the round
	// trips.
	nextProbes = 4
	// hopelessProbes is for the first round while the destination rejects everything.
	hopelessProbes = 2
)

var errUndivided = errors.New("it was in a rejected request, and there were too many to try each alone")

// division is the division of one request, or of one piece of it.
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

type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

func (s span) cuts(parts int) []span {
	out := make([]span, parts)
	for i := range out {
		out[i] = span{s.from + s.len()*i/parts, s.from + s.len()*(i+1)/parts}
	}
	return out
}

// An outcome is the result of a span sent in one request: taken, rejected as a whole (why is set), or neither, when
// items differ or may be sent again.
type outcome struct {
	taken bool
	loss
}

type loss struct {
	why *pipeline.Rejected
	// maybe is set when the span may have arrived in an unanswered request.
	maybe *unanswered
}

// Divide sends a request in smaller ones and gathers the results in g.
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

// round sends each span in a request and divides those rejected again. It gives up if the whole first round is
// rejected for the same reason.
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

// alone handles a piece that was rejected by itself.
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

// gist is the text of a rejection without what varies between records.
func gist(rej *pipeline.Rejected) string {
	text, _, _ := strings.Cut(rej.Error(), "{")
	return string(rej.Reason) + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}

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

// send delivers a span and gathers the result, unless all of it was rejected.
func (d *division) send(s span, l loss) outcome {
	p := d.pieces.Cut(s.from, s.to)
	items := d.pieces.Items(s.from, s.to)
	p.Items = d.count(s.from, items)
	p.PieceOf(d.request, s.from, s.to)
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
	Partial(d.gather, err, p.Items, items)
	return outcome{taken: true}
}

// Partial gathers what a partial success turned down of a request for these items of the batch, nil when nobody knows which. The
// request counts so many.
func Partial(g *pipeline.Gather, err error, counts int, items pipeline.Ranges) {
	for _, rej := range pipeline.Read(err, counts).Rejected {
		switch {
		case rej.Ranges == nil:
		case items == nil:
			rej.Ranges, rej.Count = nil, counts
		default: // all of the request, numbered from 0
			rej.Ranges, rej.Count = items, 0
		}
		g.Reject(rej)
	}
}

// refuse handles pieces behind a refused one: they must not arrive before it.
func (d *division) refuse(spans []span) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range spans {
		d.gather.Refuse(d.pieces.Items(s.from, s.to), d.stopped)
	}
}

// count is how many items to book for pieces from index from. An item in several pieces, such as a histogram,
// counts with the first.
func (d *division) count(from int, items pipeline.Ranges) int {
	if _, byItem := d.pieces.(itemPieces); byItem {
		return items.Len()
	}
	return items.Without(d.before.Union(d.pieces.Items(0, from))).Len()
}

// Whole returns the rejection if err rejects all items of a request, else nil.
func Whole(err error, items int) *pipeline.Rejected {
	var rej *pipeline.Rejected
	if errors.As(err, &rej) && rej.Ranges == nil && (rej.Count == 0 || rej.Count >= items) && !errors.Is(rej.Err, errFinal) {
		return &pipeline.Rejected{Reason: rej.Reason, Err: rej.Err}
	}
	return nil
}

// Final marks the error of a partial success: each item was judged, so dividing is useless.
func Final(why error) error { return final{why} }

var errFinal = errors.New("the destination has looked at each item")

type final struct{ error }

func (f final) Is(target error) bool { return target == errFinal }
func (f final) Unwrap() error        { return f.error }

// allow takes n requests from the budgets of the batch and the destination.
func (d *division) allow(n int) bool {
	if *d.left < n || d.ctx.Err() != nil || !d.History.take(n) {
		return false
	}
	*d.left -= n
	return true
}

// undivided gives up on pieces, and logs why.
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
		d.Log.Error("the rest of a rejected request was dropped as rejected_undivided, good records included: "+why,
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
