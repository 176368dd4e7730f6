package divide

import (
	"sync"
	"time"
)

const (
	suspectFor  = 10 * time.Minute
	suspectMost = 4096
)

// Suspects are pieces that a destination rejected alone lately. Encoders put them in their own requests, so that
// they do not spoil others. Bounded in number and age; the zero value is empty.
type Suspects struct {
	mu   sync.Mutex
	seen map[uint64]time.Time
}

// Any reports whether there are any, expired ones included.
func (s *Suspects) Any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen) > 0
}

// Has reports whether the piece with this hash was rejected lately.
func (s *Suspects) Has(key uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.seen[key]
	if ok && time.Since(at) > suspectFor {
		delete(s.seen, key)
		return false
	}
	return ok
}

// Add notes a rejected piece. When full, the new one is not kept; dividing finds it again.
func (s *Suspects) Add(key uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.seen == nil {
		s.seen = map[uint64]time.Time{}
	}
	if _, ok := s.seen[key]; !ok && len(s.seen) >= suspectMost {
		for k, at := range s.seen {
			if now.Sub(at) > suspectFor {
				delete(s.seen, k)
			}
		}
		if len(s.seen) >= suspectMost {
			return
		}
	}
	s.seen[key] = now
}
