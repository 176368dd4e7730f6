package delivery

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	unsureFor  = 10 * time.Minute
	unsureMost = 4096
)

// A memory keeps which requests a destination may have although it did not say so, for when their callers bring them
// again: hashes of their bodies, bounded in number and age. It is written only where an answer failed to come, and read
// only where a store says that it has something already.
type memory struct {
	mu   sync.Mutex
	seed maphash.Seed
	sent map[uint64]time.Time
}

// keep remembers p if it may have arrived.
func (m *memory) keep(p *Payload) {
	if !p.maybeSent.Load() {
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
	if h, ok := p.hash(m.seed); ok {
		m.sent[h] = now
	}
}

// has says whether p may have arrived before.
func (m *memory) has(p *Payload) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sent) == 0 {
		return false
	}
	h, ok := p.hash(m.seed)
	at, known := m.sent[h]
	return ok && known && time.Since(at) <= unsureFor
}

// hash is that of the body; false once it is released.
func (p *Payload) hash(seed maphash.Seed) (uint64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return 0, false
	}
	return maphash.Bytes(seed, p.data), true
}
