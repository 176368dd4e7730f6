package delivery

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/delivery/payload"
)

// identities remembers, by hash of the body, the IDs of requests whose callers were refused although the requests may have
// arrived. A caller that repeats one gives it the same ID, so that a receiver of ours does not deliver it twice. An entry
// serves one repeat, since equal requests are legal. Written only when a caller is refused; bounded like repeats.
type identities struct {
	seed maphash.Seed
	n    atomic.Int64
	mu   sync.Mutex
	ids  map[uint64]identity
}

type identity struct {
	id string
	at time.Time
}

func newIdentities() identities {
	return identities{seed: maphash.MakeSeed(), ids: map[uint64]identity{}}
}

// keep notes a request that is on the wire, or may have arrived.
func (m *identities) keep(p *payload.Payload) {
	h, ok := p.Hash(m.seed)
	if !ok {
		return
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ids) >= repeatsMost {
		m.shrinkLocked(now)
	}
	m.ids[h] = identity{p.ID(), now}
	m.n.Store(int64(len(m.ids)))
}

func (m *identities) shrinkLocked(now time.Time) {
	for h, i := range m.ids {
		if now.Sub(i.at) > repeatsFor {
			delete(m.ids, h)
		}
	}
	for h := range m.ids { // any: a bound, not an order
		if len(m.ids) < repeatsMost {
			break
		}
		delete(m.ids, h)
	}
}

// forget undoes keep.
func (m *identities) forget(p *payload.Payload) {
	if h, ok := p.Hash(m.seed); ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.ids, h)
		m.n.Store(int64(len(m.ids)))
	}
}

// recall gives p the ID of the request that it repeats, if any.
func (m *identities) recall(p *payload.Payload) {
	if m.n.Load() == 0 || p.HasID() {
		return
	}
	h, ok := p.Hash(m.seed)
	if !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, known := m.ids[h]
	if !known {
		return
	}
	delete(m.ids, h)
	m.n.Store(int64(len(m.ids)))
	if time.Since(i.at) <= repeatsFor {
		p.SetID(i.id)
	}
}
