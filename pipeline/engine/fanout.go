package engine

import (
	"context"
	"sync"

	"github.com/sluiceio/sluice/pipeline"
)

// fanOut gives every branch the same read-only batch and waits for all. A refusal goes back to the caller, who repeats;
// what a branch has settled is not given to it again.
//
// An item is refused if a branch refuses it, and rejected only if no branch took it.
type fanOut struct {
	name     string // the same over reloads, and of no other fan-out of the graph
	branches []head
	settled  *settled
	inTurn   bool // one branch after the other
}

func fanOutTo(name string, branches []head, h host) pipeline.Sink {
	if len(branches) == 1 {
		return branches[0].sink
	}
	return &fanOut{name: name, branches: branches, settled: h.settled, inTurn: h.watch != nil}
}

// branch is the name of a branch in the memory. An exporter that two fan-outs share is two branches: it is to get a record
// from each.
func (f *fanOut) branch(i int) string { return f.name + " " + f.branches[i].accounts[0].Name() }

func (f *fanOut) Consume(ctx context.Context, b pipeline.Batch) error {
	answers := make([]pipeline.Answer, len(f.branches))
	known := make([]pipeline.Ranges, len(f.branches))
	ask := func(i int) {
		answers[i], known[i] = f.settled.offer(f.branch(i), b, func(b pipeline.Batch) error { return f.branches[i].sink.Consume(ctx, b) })
	}
	if f.inTurn {
		for i := range f.branches {
			ask(i)
		}
	} else {
		f.together(ask)
	}
	all := allOf(answers, b.Items)
	if all.Refusal != nil {
		for i, a := range answers {
			f.settled.remember(f.branch(i), b, a, all.Refused)
			if n := all.Refused.Without(a.Refused).Without(known[i]).Len() - rejectedOf(a, all.Refused.Without(known[i])); n > 0 {
				f.branches[i].accounts[0].DeliveredAfterRefusal(n)
			}
		}
	}
	return all.Err()
}

func (f *fanOut) together(ask func(branch int)) {
	var wg sync.WaitGroup
	for i := range f.branches[1:] {
		wg.Go(func() { ask(i + 1) })
	}
	ask(0)
	wg.Wait()
}

func allOf(answers []pipeline.Answer, items int) pipeline.Answer {
	g := pipeline.NewGather(items)
	lost := pipeline.AllItems(items) // what every branch rejected
	fewest := items                  // counted and named, of the branch that took the most
	uncounted := false
	for _, a := range answers {
		if a.Refusal != nil {
			g.Refuse(a.Refused, a.Refusal)
		}
		var here pipeline.Ranges
		for _, r := range a.Rejected {
			here = here.Union(r.Ranges)
			uncounted = uncounted || r.Ranges == nil
		}
		lost = lost.Intersect(here)
		fewest = min(fewest, a.RejectedItems())
	}
	for _, r := range answers[0].Rejected { // in the words of the first branch
		if r.Ranges != nil {
			r.Ranges = r.Ranges.Intersect(lost)
			g.Reject(r)
		}
	}
	if more := fewest - lost.Len(); uncounted && more > 0 {
		for _, a := range answers {
			if u := a.Uncounted(); u != nil {
				g.Reject(pipeline.Rejected{Reason: u[0].Reason, Err: u[0].Err, Count: more})
				break
			}
		}
	}
	return g.Answer()
}

func rejectedOf(a pipeline.Answer, items pipeline.Ranges) int {
	n := 0
	for _, r := range a.Rejected {
		n += r.Ranges.Intersect(items).Len()
	}
	return n
}
