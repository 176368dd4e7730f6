package divide

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	suspectFor  = 10 * time.Minute
	suspectMost = 4096
)

// A Suspicion is what is known of a piece from the batches before.
type Suspicion uint8

// The suspicions.
const (
	Innocent Suspicion = iota
	Doubted            // it was in a request that was rejected and could not be divided to the end
	Proven             // it was rejected alone
	Alone              // the same, and it goes in a request of its own this time, by lot, to see if it is taken again
)

// Suspicions is how many there are.
const Suspicions = int(Alone) + 1

// Suspects are the pieces that a destination rejected lately. An encoder keeps them apart by suspicion, so that they cost
// their neighbours nothing. Bounded in number and age; the zero value is
// empty. A nil Suspects remembers nothing.
type Suspects struct {
	mu     sync.Mutex
	seen   map[uint64]suspect
	proven int
}

type suspect struct {
	at     time.Time
	proven bool
}

// mostAlone is about how many of the proven suspects go in a request each.
const mostAlone = 4

// Any says whether there may be any.
func (s *Suspects) Any() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen) > 0
}

// Of says what is known of a piece.
func (s *Suspects) Of(key uint64) Suspicion {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.seen[key]
	switch {
	case !ok:
		return Innocent
	case time.Since(x.at) > suspectFor:
		s.forgetLocked(key)
		return Innocent
	case x.proven && rand.IntN(s.proven) < mostAlone:
		return Alone
	case x.proven:
		return Proven
	}
	return Doubted
}

// Add notes that a piece was rejected, alone or not. When there are too many, it is not kept: it is found again by dividing.
func (s *Suspects) Add(key uint64, proven bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.seen == nil {
		s.seen = map[uint64]suspect{}
	}
	old, ok := s.seen[key]
	if old.proven && !proven {
		return
	}
	if !ok && len(s.seen) >= suspectMost {
		for k, x := range s.seen {
			if now.Sub(x.at) > suspectFor {
				s.forgetLocked(k)
			}
		}
		if len(s.seen) >= suspectMost {
			return
		}
	}
	if proven && !old.proven {
		s.proven++
	}
	s.seen[key] = suspect{now, proven}
}

func (s *Suspects) forgetLocked(key uint64) {
	if s.seen[key].proven {
		s.proven--
	}
	delete(s.seen, key)
}

// Clear forgets the pieces of a request that was taken.
func (s *Suspects) Clear(p Pieces) { s.clear(p, span{0, p.Len()}) }

func (s *Suspects) clear(p Pieces, in span) {
	if !s.Any() {
		return
	}
	for i := in.from; i < in.to; i++ {
		if key := p.Key(i); key != 0 {
			s.mu.Lock()
			s.forgetLocked(key)
			s.mu.Unlock()
		}
	}
}

func (s *Suspects) add(p Pieces, in span, proven bool) {
	if s == nil {
		return
	}
	for i := in.from; i < in.to; i++ {
		if key := p.Key(i); key != 0 {
			s.Add(key, proven)
		}
	}
}

// all says whether each piece was rejected alone lately.
func (s *Suspects) all(p Pieces) bool {
	if !s.Any() {
		return false
	}
	for i := range p.Len() {
		if key := p.Key(i); key == 0 || s.Of(key) < Proven {
			return false
		}
	}
	return true
}
