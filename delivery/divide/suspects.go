package divide

import (
	"sync"
	"time"
)

const (
	suspectFor  = 10 * time.Minute
	suspectMost = 4096
)

// Suspects are what a destination rejected alone lately: an encoder puts it in a request of its own, so that it costs
// its neighbours nothing. Bounded in number and age; the zero value is empty.
type Suspects struct {
	mu   sync.Mutex
	seen map[uint64]time.Time
}

// Any says whether there may be any.
func (s *Suspects) Any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen) > 0
}

// Has says whether what has this hash was rejected lately.
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

// Add notes that what has this hash was rejected. When there are too many, the new one is not kept: it is found again
// by dividing.
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
