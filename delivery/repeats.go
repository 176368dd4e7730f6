package delivery

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/sluiceio/sluice/delivery/payload"
)

const (
	unsureFor  = 10 * time.Minute
	unsureMost = 4096
)

// A repeats keeps which requests a destination may have although it did not say so, for when their callers bring them
// again: hashes of their bodies, bounded in number and age. It is written only where an answer failed to come, and read
// only where a store says that it has something already.
type repeats struct {
	mu   sync.Mutex
	seed maphash.Seed
	sent map[uint64]time.Time
}

// keep remembers p if it may have arrived.
func (m *repeats) keep(p *payload.Payload) {
	if !p.MayHaveArrived() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.sent == nil {
		m.seed, m.sent = maphash.MakeSeed(), map[uint64]time.Time{}
	}
	if len(m.sent) >= unsureMost {
		for h, at := range m.sent {
			if now.Sub(at) > unsureFor {
				delete(m.sent, h)
			}
		}
		for h := range m.sent { // any: a bound, not an order
			if len(m.sent) < unsureMost {
				break
			}
			delete(m.sent, h)
		}
	}
	if h, ok := p.Hash(m.seed); ok {
		m.sent[h] = now
	}
}

// has says whether p may have arrived before.
func (m *repeats) has(p *payload.Payload) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sent) == 0 {
		return false
	}
	h, ok := p.Hash(m.seed)
	at, known := m.sent[h]
	return ok && known && time.Since(at) <= unsureFor
}
