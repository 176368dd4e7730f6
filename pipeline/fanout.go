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
			if ref, again := AsRefused(err); again {
				open = append(open, i)
				wait = max(wait, ref.After)
			}
		}
		if len(open) == 0 {
			return best(answers, b)
		}
		deadline, ok := ctx.Deadline()
		wait = max(wait, fanOutPause)
		if ctx.Err() != nil || (ok && time.Until(deadline) < wait) {
			return answers[open[0]]
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return answers[open[0]]
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

// best is nil as soon as one branch took the batch, else the rejection with the fewest items. When all branches know
// what became of each part, that holds for every part.
func best(answers []error, b Batch) error {
	var found *Rejected
	fewest := b.Items + 1
	for _, err := range answers {
		rej, never := AsRejected(err)
		if !never {
			return nil
		}
		if n := lostOf(rej, b.Items); n < fewest {
			found, fewest = rej, n
		}
	}
	if each := bestOfEach(answers, b); each != nil {
		return RejectParts(each)
	}
	return found
}

// bestOfEach is best for every part of b, or nil when some branch does not know.
func bestOfEach(answers []error, b Batch) []error {
	if len(b.Parts) == 0 {
		return nil
	}
	each := make([]error, len(b.Parts))
	of := make([]error, len(answers))
	for i := range each {
		for j, err := range answers {
			rej, _ := AsRejected(err)
			if len(rej.Each) != len(each) {
				return nil
			}
			of[j] = rej.Each[i]
		}
		each[i] = best(of, b.part(i))
	}
	return each
}
