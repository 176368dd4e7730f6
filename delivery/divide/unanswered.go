package divide

import (
	"errors"
	"math/rand/v2"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/pipeline"
)

// unanswered is a request that had no answer and was rejected when it came again. A store that calls its samples out of
// order either has them from the first time, or means what it says.
type unanswered struct {
	asked   bool // some pieces were asked about, and not all of them are there
	missing bool // it did not arrive: something of it was taken that would have been out of order
}

// witnesses is how many single pieces are asked about before the others are believed to be there. Each is drawn at
// random: where one series in five is good, all eight miss it once in six times, where every second is, once in 256.
const witnesses = 8

// Repeated says whether a rejection is what a store of samples says of what it has already.
func Repeated(rej *pipeline.Rejected) bool {
	return rej.Reason == pipeline.DropOutOfOrder || rej.Reason == pipeline.DropDuplicate && !errors.Is(rej.Err, answer.ErrAnotherValue)
}

// there says whether a piece that was rejected by itself is at the destination from before.
func (d *division) there(l loss) bool {
	return l.maybe != nil && !l.maybe.missing && Repeated(l.why)
}

// doubted says whether it has to be found out if pieces are there. Where pieces have to keep their order, none can be tried
// before the others.
func (d *division) doubted(l loss) bool { return d.there(l) && !l.maybe.asked && !d.ordered }

// learn draws the conclusion from a span that was taken: had it arrived before, a series with several samples would have
// been out of order, all but its last sample, which stores take twice.
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

// tells says that a piece which was rejected by itself is not at the destination: of one sample that had arrived, a store
// would take the repetition.
func (d *division) tells(i int, why *pipeline.Rejected) bool {
	return !d.series && why.Reason == pipeline.DropOutOfOrder && !d.several(i)
}

// several says whether a piece has several samples.
func (d *division) several(i int) bool {
	in, byTime := d.pieces.Within(i)
	return byTime && in.Len() > 1
}

// ask sends some single pieces of what may be there. If each is out of order by itself, all are believed to be there.
// Otherwise the rest is divided.
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

// witness is a piece of a span that is at a place that nobody knows before, with several samples where there is one: what
// has one only is taken twice, and tells nothing.
func (d *division) witness(s span) span {
	at := rand.IntN(s.len())
	for i := range s.len() {
		if w := s.from + (at+i)%s.len(); d.several(w) {
			return span{w, w + 1}
		}
	}
	return span{s.from + at, s.from + at + 1}
}
