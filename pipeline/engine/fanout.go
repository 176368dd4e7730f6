package engine

import (
	"context"
	"sync"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// fanOut gives every branch the same read-only batch and waits for all. What a branch refuses is offered to that
// branch again until the caller's context ends, because returning a refusal would make the caller repeat the batch
// to all branches.
//
// An item is refused if a branch still refuses it in the end, and rejected only if no branch took it.
type fanOut struct {
	branches []head
}

func fanOutTo(branches []head) pipeline.Sink {
	if len(branches) == 1 {
		return branches[0].sink
	}
	return &fanOut{branches: branches}
}

// fanOutPause is the minimum wait before refused items are offered again.
const fanOutPause = 100 * time.Millisecond

func (f *fanOut) Consume(ctx context.Context, b pipeline.Batch) error {
	answers := make([]pipeline.Answer, len(f.branches))
	var wg sync.WaitGroup
	for i := range f.branches[1:] {
		wg.Go(func() { answers[i+1] = offer(ctx, f.branches[i+1].sink, b) })
	}
	answers[0] = offer(ctx, f.branches[0].sink, b)
	wg.Wait()
	all := allOf(answers, b.Items)
	if all.Refusal != nil {
		for i, a := range answers {
			if n := all.Refused.Without(a.Refused).Len() - rejectedOf(a, all.Refused); n > 0 {
				f.branches[i].accounts[0].DeliveredAfterRefusal(n)
			}
		}
	}
	return all.Err()
}

// offer gives a branch a batch, and repeats what it refuses.
func offer(ctx context.Context, to pipeline.Sink, b pipeline.Batch) pipeline.Answer {
	a := pipeline.Read(to.Consume(ctx, b), b.Items)
	for a.Refusal != nil {
		wait := max(a.Refusal.After, fanOutPause)
		deadline, ok := ctx.Deadline()
		if ctx.Err() != nil || (ok && time.Until(deadline) < wait) {
			break
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return a
		}
		rest := b
		m := pipeline.ItemMap{{From: 0, N: b.Items}}
		if a.Refused.Len() < b.Items {
			rest = b.CutRanges(nil, a.Refused)
			m = m[:0]
			for _, r := range a.Refused {
				m = append(m, pipeline.Moved{From: r.From, N: r.To - r.From})
			}
		}
		g := pipeline.NewGather(b.Items)
		for _, r := range a.Rejected {
			g.Reject(r)
		}
		g.Add(to.Consume(ctx, rest), rest.Items, m)
		a = g.Answer()
	}
	return a
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
