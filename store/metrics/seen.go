package metrics

// seen has the samples of the current batch: the TSDB checks against committed ones only, and silently drops
// conflicts within a batch.
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

type verdict uint8

const (
	fresh     verdict = iota // the newest of its series
	again                    // a repetition with the same value
	conflict                 // the same time with another value
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

// note remembers an appended sample.
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

// slot returns the slot of a series, or a free one. It needs no hash: the TSDB numbers series sequentially.
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
