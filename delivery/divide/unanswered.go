package divide

import (
	"errors"
	"math/rand/v2"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/pipeline"
)

// unanswered is a request that got no answer and was rejected when repeated. If a store says out of order, either
// it has the samples from the first attempt or they really are out of order.
type unanswered struct {
	asked   bool // some pieces were asked about, and not all of them are there
	missing bool // it did not arrive: something of it was taken that would have been out of order
}

// witnesses is how many random single pieces are sent before the others are assumed stored. If one series in five
// is good, all eight miss it one time in six; if every second is, one time in 256.
const witnesses = 8

// Repeated reports whether a rejection is what a store says about samples it already has.
func Repeated(rej *pipeline.Rejected) bool {
	return rej.Reason == pipeline.DropOutOfOrder || rej.Reason == pipeline.DropDuplicate && !errors.Is(rej.Err, answer.ErrAnotherValue)
}

// there reports whether a piece that was rejected alone is already stored.
func (d *division) there(l loss) bool {
	return l.maybe != nil && !l.maybe.missing && Repeated(l.why)
}

// doubted reports whether witnesses must be sent. Ordered pieces cannot be tried out of turn.
func (d *division) doubted(l loss) bool { return d.there(l) && !l.maybe.asked && !d.ordered }

// learn: had a span that was taken arrived before, a series with several samples would have been out of order,
// except its last sample, which stores accept twice.
func (d *division) learn(s span, l loss) {
	if l.maybe == nil || l.maybe.missing {
		return
	}
	if d.series {
		l.maybe.missing = s.to < d.pieces.Len() || s.len() > 1
		return
	}
	for i := s.from; i < s.to && !l.maybe.missing; i++ {
		l.maybe.missing = d.several(i)
	}
}

// tells reports that a rejected piece is not stored: a store accepts a single sample twice.
func (d *division) tells(i int, why *pipeline.Rejected) bool {
	return !d.series && why.Reason == pipeline.DropOutOfOrder && !d.several(i)
}

func (d *division) several(i int) bool {
	in, byTime := d.pieces.Within(i)
	return byTime && in.Len() > 1
}

// ask sends witnesses of a span that may be stored. If all are out of order it is assumed stored, else divided.
func (d *division) ask(s span, l loss) {
	parts := s.cuts(witnesses)
	singles := make([]span, len(parts))
	for i, p := range parts {
		singles[i] = d.witness(p)
	}
	if !d.allow(len(singles)) {
		d.undivided([]span{s}, l, "it may have arrived before without an answer, and no more requests may be made to find out")
		return
	}
	outcomes := d.probe(singles, l)
	confirmed, taken := 0, false
	for i, o := range outcomes {
		switch {
		case o.taken:
			taken = true
			d.learn(singles[i], l)
		case o.why != nil && Repeated(o.why) && !d.tells(singles[i].from, o.why):
			confirmed++
		}
	}
	if taken || confirmed == len(singles) {
		d.History.useful(len(singles))
	}
	if confirmed == len(singles) {
		d.reject(s, l)
		return
	}
	l.maybe.asked = true
	var rest []span
	from := s.from
	for _, w := range append(singles, span{s.to, s.to}) {
		if gap := (span{from, w.from}); gap.len() > 0 {
			rest = append(rest, gap)
		}
		from = w.to
	}
	d.round(rest, l, false)
	for i, o := range outcomes {
		if o.why != nil {
			d.alone(singles[i].from, o.loss)
		}
	}
}

// witness picks a random piece, preferably with several samples: a single sample is accepted twice and proves
// nothing.
func (d *division) witness(s span) span {
	at := rand.IntN(s.len())
	for i := range s.len() {
		if w := s.from + (at+i)%s.len(); d.several(w) {
			return span{w, w + 1}
		}
	}
	return span{s.from + at, s.from + at + 1}
}
