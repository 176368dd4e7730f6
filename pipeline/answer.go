package pipeline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/wire"
)

// An Answer is the fate of each item of a batch: Refused may be sent again, Rejected never, all others were taken.
// It is the error of a batch whose items differ; Read makes one of every error of a Sink. No item is in two places.
type Answer struct {
	Items    int        // of the batch that it is for
	Refused  Ranges     // try again
	Refusal  *Refused   // why and when; nil when Refused is empty
	Rejected []Rejected // never; each with its Ranges, or with a Count of which nobody says which items it means
}

// Read is the answer that err means for a batch of so many items. The outermost answer in a wrapped error counts.
// In joined errors, one that is no rejection refuses the whole batch: nobody knows what was taken.
func Read(err error, items int) Answer {
	a := Answer{Items: items}
	switch e := answerIn(err).(type) {
	case nil:
		if err != nil {
			a.refuseAll(&Refused{Err: err})
		}
	case *Answer:
		if e.Items != items { // for another batch: somebody handed it on without translating it
			a.refuseAll(&Refused{Err: err})
			break
		}
		return e.sound()
	case *Rejected:
		a.reject(*e)
	case *Refused:
		a.refuseAll(e)
	}
	return a
}

// answerIn finds the *Answer, *Rejected or *Refused in err, or nil.
func answerIn(err error) error {
	for err != nil {
		switch e := err.(type) {
		case *Answer, *Rejected, *Refused:
			return err
		case interface{ Unwrap() []error }:
			var found error
			for _, one := range e.Unwrap() {
				in := answerIn(one)
				if _, rejected := in.(*Rejected); !rejected {
					if refused, is := in.(*Refused); is {
						return &Refused{Err: err, After: refused.After, Overload: refused.Overload}
					}
					return &Refused{Err: err}
				}
				found = in
			}
			return found
		}
		err = errors.Unwrap(err)
	}
	return nil
}

// sound repairs the answer: ranges within the batch, and a Refusal if something is refused.
func (a Answer) sound() Answer {
	whole := AllItems(a.Items)
	if a.Items > 0 {
		a.Refused = a.Refused.Intersect(whole)
		for i := range a.Rejected {
			if r := &a.Rejected[i]; r.Ranges != nil && (r.Ranges[0].From < 0 || r.Ranges[len(r.Ranges)-1].To > a.Items) {
				a.Rejected = slices.Clone(a.Rejected)
				a.Rejected[i].Ranges = r.Ranges.Intersect(whole)
			}
		}
	}
	if a.Refusal == nil && len(a.Refused) > 0 {
		a.Refusal = errNoReason
	}
	return a
}

var errNoReason = &Refused{Err: errors.New("refused without a reason")}

func (a *Answer) refuseAll(why *Refused) {
	a.Refused, a.Refusal, a.Rejected = AllItems(a.Items), why, nil
	if a.Items <= 0 {
		a.Refused = Ranges{{0, 0}} // a batch without items is refused or taken as a whole
	}
}

func (a *Answer) reject(r Rejected) {
	if r.Ranges == nil && (r.Count <= 0 || r.Count >= a.Items) {
		r.Ranges, r.Count = AllItems(a.Items), 0
	}
	if r.Ranges != nil || r.Count > 0 {
		a.Rejected = append(a.Rejected, r)
	}
}

// Err is the answer as an error: nil when everything was taken, a *Refused or *Rejected when it holds for all
// items.
func (a Answer) Err() error {
	switch {
	case a.Refusal == nil && len(a.Refused) > 0:
		a.Refusal = errNoReason
		return a.Err()
	case a.Refusal == nil && len(a.Rejected) == 0:
		return nil
	case a.Refusal != nil && a.Refused.Len() == max(a.Items, 0):
		return a.Refusal
	case a.Refusal == nil && len(a.Rejected) == 1 && (a.Rejected[0].Ranges == nil || a.Rejected[0].Len() == a.Items):
		r := a.Rejected[0]
		r.Count, r.Ranges = r.Len(), nil
		if r.Count == a.Items {
			r.Count = 0
		}
		return &r
	}
	return &a
}

// Error implements error.
func (a *Answer) Error() string {
	refused, rejected := a.Refused.Len(), a.RejectedItems()
	switch {
	case rejected == 0:
		return fmt.Sprintf("%d of %d items were refused: %v", refused, a.Items, a.Refusal)
	case refused == 0:
		return fmt.Sprintf("%d of %d items were rejected: %v", rejected, a.Items, a.Rejected[0].Err)
	}
	return fmt.Sprintf("%d of %d items were refused: %v; %d were rejected: %v", refused, a.Items, a.Refusal, rejected, a.Rejected[0].Err)
}

// Unwrap returns the causes.
func (a *Answer) Unwrap() []error {
	var all []error
	if a.Refusal != nil {
		all = append(all, a.Refusal.Err)
	}
	for _, r := range a.Rejected {
		all = append(all, r.Err)
	}
	return all
}

// RejectedItems is the number of rejected items.
func (a *Answer) RejectedItems() int {
	n := 0
	for i := range a.Rejected {
		n += a.Rejected[i].Len()
	}
	return min(n, max(a.Items-a.Refused.Len(), 0))
}

// Taken is the number of items taken.
func (a Answer) Taken() int {
	if a.Refusal != nil && a.Items <= 0 {
		return 0
	}
	return a.Items - a.Refused.Len() - a.RejectedItems()
}

// Slice is the answer for the items [from, to) as a batch of their own, without the Uncounted rejections.
func (a Answer) Slice(from, to int) Answer {
	s := Answer{Items: to - from}
	if whole := a.Refusal != nil && a.Refused.Len() == a.Items; whole {
		s.refuseAll(a.Refusal)
		return s
	}
	if s.Refused = a.Refused.slice(from, to); s.Refused != nil {
		s.Refusal = a.Refusal
	}
	for _, r := range a.Rejected {
		if r.Ranges = r.Ranges.slice(from, to); r.Ranges != nil {
			s.Rejected = append(s.Rejected, r)
		}
	}
	return s
}

// Uncounted are the rejections with a count only.
func (a Answer) Uncounted() (out []Rejected) {
	for _, r := range a.Rejected {
		if r.Ranges == nil {
			out = append(out, r)
		}
	}
	return out
}

// An ItemMap maps the items of a changed batch, in their order, to those of the original. nil means unknown. Added
// items come last and are not in it: when one is refused, the whole batch is.
type ItemMap []Moved

// MapOf is the map of what a wire.Editor pass kept of a batch of so many items.
func MapOf(kept wire.Kept, items int) ItemMap {
	if kept == nil {
		return ItemMap{{0, items}}
	}
	m := make(ItemMap, 0, len(kept))
	for _, run := range kept {
		m = append(m, Moved{From: run.Old, N: run.Count})
	}
	return m
}

func (m ItemMap) len() (n int) {
	for _, x := range m {
		n += x.N
	}
	return n
}

// within is the map, or nil if it names items outside the batch.
func (m ItemMap) within(items int) ItemMap {
	for _, x := range m {
		if x.From < 0 || x.N < 0 || x.From+x.N > items {
			return nil
		}
	}
	return m
}

// Moved are N adjacent items that began at From.
type Moved struct{ From, N int }

// A Gather combines the answers for parts of a batch, or for a changed batch. Not safe for concurrent use.
type Gather struct {
	items   int
	refused []Range
	refusal *Refused
	losses  []Rejected
}

// NewGather begins with all of items taken.
func NewGather(items int) *Gather { return &Gather{items: items} }

// Items is the size of the batch.
func (g *Gather) Items() int { return g.items }

// Add adds the answer for a part of n items. m maps them to the whole; if it is nil, a refusal refuses the whole
// and a rejection becomes a count.
func (g *Gather) Add(err error, n int, m ItemMap) {
	if err == nil {
		return
	}
	a := Read(err, n)
	if m != nil {
		m = m.within(g.items)
	}
	if a.Refusal != nil {
		// A refused item outside the map could be anybody's.
		if last := len(a.Refused) - 1; m == nil || last >= 0 && a.Refused[last].To > m.len() {
			g.Refuse(AllItems(g.items), a.Refusal)
		} else {
			g.Refuse(m.old(a.Refused), a.Refusal)
		}
	}
	for _, r := range a.Rejected {
		switch {
		case m == nil, r.Ranges == nil:
			r.Count, r.Ranges = min(r.Len(), g.items), nil
		default:
			r.Ranges = m.old(r.Ranges)
		}
		if r.Len() > 0 {
			g.Reject(r)
		}
	}
}

// old translates ranges of the changed batch to the original.
func (m ItemMap) old(now Ranges) Ranges {
	var out []Range
	at, i := 0, 0
	for _, x := range now {
		for ; i < len(m) && at+m[i].N <= x.From; i++ {
			at += m[i].N
		}
		for k, from := i, at; k < len(m) && from < x.To; k++ {
			lo, hi := max(x.From, from), min(x.To, from+m[k].N)
			out = append(out, Range{m[k].From + lo - from, m[k].From + hi - from})
			from += m[k].N
		}
	}
	return NewRanges(out)
}

// Merge adds another Gather for the same batch.
func (g *Gather) Merge(o *Gather) {
	if o.refusal != nil {
		g.Refuse(NewRanges(o.refused), o.refusal)
	}
	for _, r := range o.losses {
		g.Reject(r)
	}
}

// Refuse adds refused items.
func (g *Gather) Refuse(items Ranges, why *Refused) {
	if why == nil {
		why = errNoReason
	}
	g.refused = append(g.refused, items...)
	if g.refusal == nil {
		g.refusal = why
		return
	}
	both := *g.refusal
	both.After, both.Overload = max(both.After, why.After), both.Overload || why.Overload
	g.refusal = &both
}

// Reject adds rejected items, by ranges or count (neither means none). Those of one reason are merged under the
// first error.
func (g *Gather) Reject(r Rejected) {
	if r.Len() == 0 {
		return
	}
	for i := range g.losses {
		l := &g.losses[i]
		if l.Reason == r.Reason && (l.Ranges == nil) == (r.Ranges == nil) {
			l.Count += r.Count
			l.Ranges = l.Ranges.Union(r.Ranges)
			return
		}
	}
	g.losses = append(g.losses, r)
}

// Answer is the answer for the whole. An item both refused and rejected counts as refused: it is sent again.
func (g *Gather) Answer() Answer {
	a := Answer{Items: g.items}
	if g.refusal != nil {
		a.Refused, a.Refusal = NewRanges(g.refused), g.refusal
		if a.Refused == nil {
			a.refuseAll(g.refusal)
		}
	}
	told := a.Refused
	left := g.items - told.Len()
	for _, r := range g.losses {
		if r.Ranges != nil {
			r.Ranges = r.Ranges.Without(told)
			told = told.Union(r.Ranges)
		} else {
			r.Count = min(r.Count, left)
		}
		if n := r.Len(); n > 0 {
			left -= n
			a.Rejected = append(a.Rejected, r)
		}
	}
	return a
}

// Err is Answer as an error.
func (g *Gather) Err() error { return g.Answer().Err() }
