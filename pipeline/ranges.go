package pipeline

import "slices"

// A Range is the items [From, To) of a batch, in request order.
type Range struct{ From, To int }

// Ranges are sorted, disjoint, not adjacent and not empty.
type Ranges []Range

// Len is the number of items.
func (r Ranges) Len() int {
	n := 0
	for _, x := range r {
		n += x.To - x.From
	}
	return n
}

// AllItems is the range of all n items.
func AllItems(n int) Ranges {
	if n <= 0 {
		return nil
	}
	return Ranges{{0, n}}
}

// NewRanges normalises ranges. It takes over the slice.
func NewRanges(any []Range) Ranges {
	any = slices.DeleteFunc(any, func(x Range) bool { return x.To <= x.From })
	slices.SortFunc(any, func(a, b Range) int { return a.From - b.From })
	out := any[:0]
	for _, x := range any {
		if n := len(out); n > 0 && x.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, x.To)
			continue
		}
		out = append(out, x)
	}
	return Ranges(out)
}

// Union is the items in either.
func (r Ranges) Union(o Ranges) Ranges {
	if len(o) == 0 {
		return r
	}
	return NewRanges(append(slices.Clone(r), o...))
}

// Intersect is the items in both.
func (r Ranges) Intersect(o Ranges) (out Ranges) {
	for i, j := 0, 0; i < len(r) && j < len(o); {
		from, to := max(r[i].From, o[j].From), min(r[i].To, o[j].To)
		if from < to {
			out = append(out, Range{from, to})
		}
		if r[i].To < o[j].To {
			i++
		} else {
			j++
		}
	}
	return out
}

// Without is the items of r that are not in o.
func (r Ranges) Without(o Ranges) (out Ranges) {
	j := 0
	for _, x := range r {
		for ; j < len(o) && o[j].To <= x.From; j++ {
		}
		from := x.From
		for k := j; k < len(o) && o[k].From < x.To; k++ {
			if o[k].From > from {
				out = append(out, Range{from, o[k].From})
			}
			from = max(from, o[k].To)
		}
		if from < x.To {
			out = append(out, Range{from, x.To})
		}
	}
	return out
}

func (r Ranges) slice(from, to int) (out Ranges) {
	for _, x := range r {
		if lo, hi := max(x.From, from), min(x.To, to); lo < hi {
			out = append(out, Range{lo - from, hi - from})
		}
	}
	return out
}
