package pipeline

import (
	"context"
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
		each := make([]error, len(b.Parts))
		d := division{ctx: ctx, exporter: e, batch: b, each: each}
		d.halve(0, len(each), err)
		err = apartOf(each)
	}
	e.door.leaveBatch(b, err)
	return err
}

// Divides reports whether the answer is not the last one for b: the exporter's door will call again with its parts.
func Divides(err error, b Batch) bool {
	rej, never := AsRejected(err)
	return never && rej.Divide && len(b.Parts) > 1
}

// division finds the parts of a merged batch that a destination rejects, by halves: one bad request costs none of
// those it was merged with, and little time. The batch stays inside the door meanwhile, so the books see each part
// once, with what became of it in the end.
//
// It is done here, behind every fan-out and in front of every exporter, and nowhere else: another branch that took
// the whole does not get the parts, too.
type division struct {
	ctx      context.Context
	exporter *entrance
	batch    Batch
	each     []error // the answers
}

// halve answers for the parts from i to j, which were rejected together.
func (d *division) halve(i, j int, err error) {
	if j-i == 1 {
		d.answer(i, j, err)
		return
	}
	middle := (i + j) / 2
	for _, half := range [2][2]int{{i, middle}, {middle, j}} {
		b := d.batch.Range(half[0], half[1])
		if err := d.send(b); Divides(err, b) {
			d.halve(half[0], half[1], err)
		} else {
			d.answer(half[0], half[1], err)
		}
	}
}

// send repeats what is refused for as long as somebody waits for the answer: to refuse the whole because of a part
// would bring those again that were taken.
func (d *division) send(b Batch) error {
	pause := Backoff{Min: 200 * time.Millisecond, Max: 5 * time.Second}
	for {
		err := d.exporter.next.Consume(d.ctx, b)
		ref, again := AsRefused(err)
		if !again || d.ctx.Err() != nil {
			return err
		}
		wait := max(ref.After, pause.Next())
		if deadline, ok := d.ctx.Deadline(); ok && time.Until(deadline) < wait {
			return err
		}
		select {
		case <-time.After(wait):
		case <-d.ctx.Done():
			return err
		}
	}
}

// answer is err for each of the parts from i to j.
func (d *division) answer(i, j int, err error) {
	rej, never := AsRejected(err)
	if never && j-i > 1 {
		// A partial success, of which nobody says whose the rejected items were: they are counted, as dropped inside.
		b := d.batch.Range(i, j)
		lost := lostOf(rej, b.Items)
		d.exporter.door.drop(rej.Reason, lost, share(len(b.Request), lost, b.Items))
		return
	}
	for k := i; k < j; k++ {
		d.each[k] = err
		if items := d.batch.Parts[k].Items; never {
			d.each[k] = &Rejected{Err: rej.Err, Items: lostOf(rej, items), Reason: rej.Reason}
			if items == 0 {
				d.each[k] = nil
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
