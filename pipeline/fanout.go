package pipeline

import (
	"context"
	"sync"
	"time"
)

// fanOut gives every branch the same read-only batch and returns when all have answered. Refused branches are
// repeated, and only those, until the caller's deadline, or its end when it has none: a refusal that goes back
// makes the caller repeat the whole batch, and the branches that took it get it twice.
//
// A rejected branch is counted at its own door and does not hold the others: the answer is Rejected only when
// every branch rejected, and then that of the branch that took the most.
type fanOut struct {
	branches []Sink
}

// fanOutTo joins sinks into one.
func fanOutTo(branches []Sink) Sink {
	if len(branches) == 1 {
		return branches[0]
	}
	return &fanOut{branches: branches}
}

// fanOutPause is the wait before refused branches are repeated when they named none.
const fanOutPause = 100 * time.Millisecond

func (f *fanOut) Consume(ctx context.Context, b Batch) error {
	answers := make([]error, len(f.branches))
	open := make([]int, len(f.branches))
	for i := range open {
		open[i] = i
	}
	for {
		f.offer(ctx, b, open, answers)
		open = open[:0]
		var wait time.Duration
		for i, err := range answers {
			if _, ok := AsApart(err, b); ok {
				continue // its exporter has repeated what could be
			}
			if ref, again := AsRefused(err); again {
				open = append(open, i)
				wait = max(wait, ref.After)
			}
		}
		if len(open) == 0 {
			return together(answers, b)
		}
		deadline, ok := ctx.Deadline()
		wait = max(wait, fanOutPause)
		if ctx.Err() != nil || (ok && time.Until(deadline) < wait) {
			return together(answers, b)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return together(answers, b)
		}
	}
}

// offer calls the open branches side by side: the slowest one sets the pace, not the sum.
func (f *fanOut) offer(ctx context.Context, b Batch, open []int, answers []error) {
	var wg sync.WaitGroup
	for _, i := range open[1:] {
		wg.Go(func() { answers[i] = f.branches[i].Consume(ctx, b) })
	}
	answers[open[0]] = f.branches[open[0]].Consume(ctx, b)
	wg.Wait()
}

// together is the answer of all branches: for each part, when a branch answers for each.
func together(answers []error, b Batch) error {
	for _, err := range answers {
		if _, ok := AsApart(err, b); ok {
			each := make([]error, len(b.Parts))
			for i := range each {
				each[i] = best(answersFor(answers, b, i), b.Parts[i].Items)
			}
			return ApartOf(each, b)
		}
	}
	return best(answers, b.Items)
}

// answersFor is what the branches answer for the i-th part of b.
func answersFor(answers []error, b Batch, i int) []error {
	part := make([]error, len(answers))
	for j, err := range answers {
		each, ok := AsApart(err, b)
		rej, never := AsRejected(err)
		switch {
		case ok:
			part[j] = each[i]
		case !never:
			part[j] = err
		case lostOf(rej, b.Items) == b.Items:
			part[j] = &Rejected{Err: rej.Err, Items: b.Parts[i].Items, Reason: rej.Reason}
		}
	}
	return part
}

// best is a refusal if there is one, nil if one branch took all, else the rejection with the fewest items.
func best(answers []error, items int) error {
	var found *Rejected
	fewest, taken := items+1, false
	for _, err := range answers {
		rej, never := AsRejected(err)
		switch {
		case err == nil:
			taken = true
		case !never:
			return err
		case lostOf(rej, items) < fewest:
			found, fewest = rej, lostOf(rej, items)
		}
	}
	if taken {
		return nil
	}
	return found
}
