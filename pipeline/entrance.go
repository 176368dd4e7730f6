package pipeline

import (
	"context"
	"fmt"
)

// entrance is the door of a component as the caller sees it: a Sink that books every batch in and out.
type entrance struct {
	door *door
	next Sink
}

func (e *entrance) Consume(ctx context.Context, b Batch) error {
	e.door.enter(b.Items, len(b.Request))
	err := e.next.Consume(ctx, b)
	if e.door.kind == KindExporter && len(b.Parts) > 1 && isWhole(err, b.Items) {
		err = e.oneByOne(ctx, b)
	}
	e.door.leave(b.Items, len(b.Request), err)
	return err
}

// isWhole reports whether err rejects all of a batch.
func isWhole(err error, items int) bool {
	rej, never := AsRejected(err)
	return never && (rej.Items == 0 || rej.Items >= items)
}

// oneByOne sends a merged batch that its destination has rejected again, part by part: one bad request costs none of
// those it was merged with. The batch stays inside the door meanwhile, so the books see it once, with what became of
// it in the end. When a part is refused the whole is, and the parts that were taken before will come again.
//
// It is done here, behind every fan-out and in front of every exporter, and nowhere else: another branch that took
// the whole does not get the parts, too.
func (e *entrance) oneByOne(ctx context.Context, b Batch) error {
	each := make([]error, len(b.Parts))
	for i, p := range b.Parts {
		err := e.next.Consume(ctx, b.part(i))
		rej, never := AsRejected(err)
		switch {
		case err == nil:
		case !never:
			return err
		default:
			each[i] = &Rejected{Err: rej.Err, Items: lostOf(rej, p.Items), Reason: rej.Reason}
		}
	}
	return RejectParts(each)
}

// lostOf is how many of a batch's items a rejection costs; one that does not say how many means all.
func lostOf(rej *Rejected, items int) int {
	if rej.Items == 0 {
		return items
	}
	return min(max(rej.Items, 0), items)
}

// RejectParts makes one answer of those for the parts of a merged batch: nil if all were taken. None may be refused.
func RejectParts(each []error) error {
	var first *Rejected
	items, parts := 0, 0
	for _, err := range each {
		rej, never := AsRejected(err)
		if !never {
			continue
		}
		if first == nil {
			first = rej
		}
		items += rej.Items
		parts++
	}
	if first == nil {
		return nil
	}
	err := first.Err
	if parts > 1 {
		err = fmt.Errorf("%d of %d merged requests were rejected, the first of them: %w", parts, len(each), err)
	}
	return &Rejected{Err: err, Items: items, Reason: first.Reason, Each: each}
}
