package metrics

// seen remembers which series have which samples in the batch that is appended: the TSDB checks a sample against what
// is committed, and drops what conflicts within a batch without a word.
type seen struct {
	slots []seenSlot // open addressing, a power of two
	n     int
	batch uint32
	more  map[seenKey]uint64 // samples of series that occur at several times, by series and time
}

type seenSlot struct {
	ref, bits uint64
	at        int64
	batch     uint32 // of an older batch: free
}

type seenKey struct {
	ref uint64
	at  int64
}

// verdict is what a sample is to those before it in the batch.
type verdict uint8

const (
	fresh     verdict = iota // the newest of its series
	again                    // said before, with the same value
	conflict                 // said before, with another value
	backwards                // older than the newest of its series
)

func (s *seen) reset() {
	s.n = 0
	s.batch++
	if s.batch == 0 || s.slots == nil { // after 2^32 batches
		s.slots, s.batch = make([]seenSlot, 256), 1
	}
	clear(s.more)
}

// check says what a sample is to those that were noted.
func (s *seen) check(ref uint64, at int64, bits uint64) verdict {
	slot := s.slot(ref)
	if slot.batch != s.batch {
		return fresh
	}
	if slot.at == at {
		return compare(slot.bits, bits)
	}
	if before, ok := s.more[seenKey{ref, at}]; ok {
		return compare(before, bits)
	}
	if at < slot.at {
		return backwards
	}
	return fresh
}

// note remembers a sample that was appended, after check found that it is none of those before.
func (s *seen) note(ref uint64, at int64, bits uint64) {
	slot := s.slot(ref)
	if slot.batch != s.batch {
		*slot = seenSlot{ref: ref, at: at, bits: bits, batch: s.batch}
		if s.n++; s.n > len(s.slots)/2 {
			s.grow()
		}
		return
	}
	if s.more == nil {
		s.more = map[seenKey]uint64{}
	}
	s.more[seenKey{ref, at}] = bits
	s.more[seenKey{ref, slot.at}] = slot.bits
	if at > slot.at {
		slot.at, slot.bits = at, bits
	}
}

func compare(before, bits uint64) verdict {
	if before == bits {
		return again
	}
	return conflict
}

// slot returns the slot of a series, or the free one where it belongs. References are counted up by the TSDB, hence
// no hash; neighbours of one target lie side by side.
func (s *seen) slot(ref uint64) *seenSlot {
	mask := uint64(len(s.slots) - 1)
	for i := ref & mask; ; i = (i + 1) & mask {
		if slot := &s.slots[i]; slot.batch != s.batch || slot.ref == ref {
			return slot
		}
	}
}

func (s *seen) grow() {
	old := s.slots
	s.slots = make([]seenSlot, 2*len(old))
	for _, o := range old {
		if o.batch == s.batch {
			*s.slot(o.ref) = o
		}
	}
}
