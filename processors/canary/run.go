package canary

import "time"

const (
	// window is how far behind the newest number a duplicate is known as one.
	window = 16384
	// maxGaps bounds the gaps of a run; beyond it the oldest counts as missing at once.
	maxGaps = 1024
)

// A run is the numbers of one run of a canary. The first one that comes is where it begins: what was before is neither missing
// nor late, since whoever counts may have been started later.
type run struct {
	id         int64
	first, max uint64
	seen       [window / 64]uint64 // of the numbers in (max-window, max], by remainder
	gaps       []gap               // oldest first; all of a gap is missing
}

// A gap is numbers [from, to] that did not come, though a later one did at that time.
type gap struct {
	from, to uint64
	at       time.Time
}

func newRun(id int64, n uint64) *run {
	r := &run{id: id, first: n, max: n}
	r.mark(n)
	return r
}

func (r *run) mark(n uint64)     { r.seen[n%window/64] |= 1 << (n % 64) }
func (r *run) has(n uint64) bool { return r.seen[n%window/64]&(1<<(n%64)) != 0 }

// A fate is what a number was when it came.
type fate int

const (
	expected fate = iota
	duplicate
	late // it was counted as missing, or is too old to know
)

// saw notes a number and says how many count as missing because there are too many gaps.
func (r *run) saw(n uint64, now time.Time) (f fate, missing uint64) {
	if n > r.max {
		return expected, r.advance(n, now)
	}
	if r.fill(n) {
		if r.max-n < window {
			r.mark(n)
		}
		return expected, 0
	}
	switch {
	case r.max-n >= window:
		return late, 0
	case r.has(n):
		return duplicate, 0
	}
	r.mark(n)
	if n < r.first {
		return expected, 0
	}
	return late, 0
}

func (r *run) advance(n uint64, now time.Time) (missing uint64) {
	if n-r.max >= window {
		clear(r.seen[:])
	} else {
		for i := r.max + 1; i < n; i++ {
			r.seen[i%window/64] &^= 1 << (i % 64)
		}
	}
	if n > r.max+1 {
		r.gaps = append(r.gaps, gap{r.max + 1, n - 1, now})
		if len(r.gaps) > maxGaps {
			missing = r.declare(1)
		}
	}
	r.max = n
	r.mark(n)
	return missing
}

// fill takes a number out of its gap.
func (r *run) fill(n uint64) bool {
	for i, g := range r.gaps {
		if n < g.from || n > g.to {
			continue
		}
		var left []gap
		if g.from < n {
			left = append(left, gap{g.from, n - 1, g.at})
		}
		if n < g.to {
			left = append(left, gap{n + 1, g.to, g.at})
		}
		r.gaps = append(r.gaps[:i:i], append(left, r.gaps[i+1:]...)...)
		return true
	}
	return false
}

// declare gives up on the oldest gaps.
func (r *run) declare(n int) (missing uint64) {
	for _, g := range r.gaps[:n] {
		missing += g.to - g.from + 1
	}
	r.gaps = r.gaps[n:]
	return missing
}

// overdue gives up on the gaps that were there before.
func (r *run) overdue(before time.Time) (missing uint64) {
	n := 0
	for n < len(r.gaps) && r.gaps[n].at.Before(before) {
		n++
	}
	return r.declare(n)
}
