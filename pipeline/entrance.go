package pipeline

import (
	"context"
	"errors"
	"time"
)

// entrance is the door of a component as the caller sees it: a Sink that books every batch in and out.
type entrance struct {
	door *door
	next Sink
}

func (e *entrance) Consume(ctx context.Context, b Batch) error {
	e.door.enter(b.Items, len(b.Request))
	err := e.next.Consume(ctx, b)
	if e.door.kind == KindExporter && Divides(err, b) {
		d := division{ctx: ctx, door: e.door, batch: b, each: make([]error, len(b.Parts))}
		if deadline, ok := ctx.Deadline(); ok {
			d.until = time.Now().Add(time.Until(deadline) * 3 / 4)
		}
		d.halve(0, len(b.Parts), restOf(err, e.next))
		err = ApartOf(d.each, b)
	}
	e.door.leaveBatch(b, err)
	return err
}

// Divides reports whether the answer is not the last one for b: the exporter's door will call again with its parts.
func Divides(err error, b Batch) bool {
	rej, never := AsRejected(err)
	return never && rej.Divide && len(b.Parts) > 1
}

// restOf is where the parts of a batch go that divides, when the whole went to a sink.
func restOf(err error, to Sink) Sink {
	if rej, never := AsRejected(err); never && rej.Rest != nil {
		return rej.Rest
	}
	return to
}

// division finds the parts of a merged batch that a destination rejects, by halves: one bad request costs none of
// those it was merged with, and little time. The batch stays inside the door meanwhile, so the books see each part
// once, with what became of it in the end. One half follows the other, because samples of a series are in order.
//
// When many parts are bad the callers' time may not suffice. What is known by then is told while somebody listens, and
// the rest is refused: with each round there are fewer.
//
// It is done here, behind every fan-out and in front of every exporter, and nowhere else: another branch that took
// the whole does not get the parts, too.
type division struct {
	ctx   context.Context
	door  *door
	batch Batch
	each  []error   // the answers
	until time.Time // no request is begun after it; zero: the callers have no deadline
}

// halve answers for the parts from i to j, which are several and were rejected together; they go to a sink.
func (d *division) halve(i, j int, to Sink) {
	middle := (i + j) / 2
	for _, half := range [2][2]int{{i, middle}, {middle, j}} {
		b := d.batch.Range(half[0], half[1])
		if err := d.send(b, to); Divides(err, b) {
			d.halve(half[0], half[1], restOf(err, to))
		} else {
			d.answer(half[0], half[1], err)
		}
	}
}

// errLater is the answer for parts that there was no time for.
var errLater = errors.New("the request was merged with one that the destination rejects, and there was no time to send it alone")

// send repeats what is refused for as long as somebody waits for the answer: to refuse the whole because of a part
// would bring those again that were taken.
func (d *division) send(b Batch, to Sink) error {
	pause := Backoff{Min: 200 * time.Millisecond, Max: 5 * time.Second}
	for {
		if d.late(0) {
			return Refuse(0, errLater)
		}
		err := to.Consume(d.ctx, b)
		ref, again := AsRefused(err)
		if !again || d.ctx.Err() != nil {
			return err
		}
		wait := max(ref.After, pause.Next())
		if d.late(wait) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-d.ctx.Done():
			return err
		}
	}
}

// late reports whether the callers' time is up after a while.
func (d *division) late(after time.Duration) bool {
	return !d.until.IsZero() && time.Until(d.until) < after
}

// answer is err for each of the parts from i to j.
func (d *division) answer(i, j int, err error) {
	rej, never := AsRejected(err)
	b := d.batch.Range(i, j)
	if never && j-i > 1 && lostOf(rej, b.Items) < b.Items {
		// A partial success, of which nobody says whose the rejected items were: they are counted, as dropped inside.
		lost := lostOf(rej, b.Items)
		d.door.drop(rej.Reason, lost, share(len(b.Request), lost, b.Items))
		return
	}
	for k := i; k < j; k++ {
		d.each[k] = err
		if items := d.batch.Parts[k].Items; never {
			d.each[k] = nil
			if items > 0 {
				d.each[k] = &Rejected{Err: rej.Err, Items: lostOf(rej, items), Reason: rej.Reason}
			}
		}
	}
}

// lostOf is how many of a batch's items a rejection costs; one that does not say how many means all.
func lostOf(rej *Rejected, items int) int {
	if rej.Items == 0 {
		return items
	}
	return min(max(rej.Items, 0), items)
}
