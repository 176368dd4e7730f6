package limit

import "math/bits"

const (
	// exactSeries is up to how many series of one value are counted exactly, at about 40 bytes each. From then on a Bloom
	// filter of ten bits a series is used: one or two new series in a hundred are taken for known ones.
	exactSeries = 100_000
	bitsEach    = 10
	hashes      = 7
	// maxSeries bounds active_series, and with it a filter's memory.
	maxSeries = 10_000_000
)

// series are the active ones of a value, in two generations: those seen since the last turn, and those seen in the one before
// only. A turn forgets the older ones.
type series struct {
	limit       int
	young, old  members
	left        int // in old and not in young
	turns, next int64
}

// members is a set of hashes.
type members interface {
	has(h uint64) bool
	add(h uint64)
	len() int
}

func newSeries(limit int) *series { return &series{limit: limit, young: exact{}, old: exact{}} }

// filtered is a filter for so many series with the members of a set.
func filtered(limit int, from exact) *filter {
	words := 1 << bits.Len(uint(limit*bitsEach/64))
	f := &filter{words: make([]uint64, words), mask: uint64(words*64 - 1)}
	for h := range from {
		f.add(h)
	}
	return f
}

// active is how many there are.
func (s *series) active() int { return s.young.len() + s.left }

// turn forgets what was not seen for two turns; every is in the unit of now.
func (s *series) turn(now, every int64) {
	switch {
	case now < s.next:
		return
	case now >= s.next+every: // nothing was seen for a whole generation
		s.young = exact{}
	}
	s.young, s.old = exact{}, s.young
	s.left = s.old.len()
	s.next = now + every
}

// admit reports whether a series is active, or may become so.
func (s *series) admit(h uint64) bool {
	switch {
	case s.young.has(h):
		return true
	case s.old.has(h):
		s.left = max(s.left-1, 0)
	case s.active() >= s.limit:
		return false
	}
	if e, is := s.young.(exact); is && len(e) >= exactSeries {
		s.young = filtered(max(s.limit, 2*exactSeries), e)
	}
	s.young.add(h)
	return true
}

type exact map[uint64]struct{}

func (e exact) has(h uint64) bool { _, is := e[h]; return is }
func (e exact) add(h uint64)      { e[h] = struct{}{} }
func (e exact) len() int          { return len(e) }

// filter is a Bloom filter.
type filter struct {
	words []uint64
	mask  uint64
	n     int
}

func (f *filter) each(h uint64, do func(word *uint64, bit uint64)) {
	step := h>>32 | 1
	for range hashes {
		at := h & f.mask
		do(&f.words[at/64], 1<<(at%64))
		h += step * 0x9E3779B97F4A7C15
	}
}

func (f *filter) has(h uint64) bool {
	all := true
	f.each(h, func(w *uint64, bit uint64) { all = all && *w&bit != 0 })
	return all
}

func (f *filter) add(h uint64) {
	f.n++
	f.each(h, func(w *uint64, bit uint64) { *w |= bit })
}

func (f *filter) len() int { return f.n }
