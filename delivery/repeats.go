package delivery

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
)

const (
	repeatsFor  = 10 * time.Minute
	repeatsMost = 4096
)

// repeats remembers, by hash, requests that a destination has or may have although their callers must send them
// again. Bounded in number and age. Written only when a caller is refused, read only when a store reports a
// repetition.
type repeats struct {
	seed maphash.Seed
	mu   sync.Mutex
	sent map[uint64]time.Time
}

func newRepeats() repeats { return repeats{seed: maphash.MakeSeed(), sent: map[uint64]time.Time{}} }

func (r *repeats) hash(body []byte) uint64 { return maphash.Bytes(r.seed, body) }

func (r *repeats) keep(p *payload.Payload) {
	if !p.MayHaveArrived() {
		return
	}
	if h, ok := p.Hash(r.seed); ok {
		r.add(h)
	}
}

func (r *repeats) add(hashes ...uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, h := range hashes {
		if len(r.sent) >= repeatsMost {
			r.shrinkLocked(now)
		}
		r.sent[h] = now
	}
}

func (r *repeats) shrinkLocked(now time.Time) {
	for h, at := range r.sent {
		if now.Sub(at) > repeatsFor {
			delete(r.sent, h)
		}
	}
	for h := range r.sent { // any: a bound, not an order
		if len(r.sent) < repeatsMost {
			break
		}
		delete(r.sent, h)
	}
}

// has reports whether p may have arrived before.
func (r *repeats) has(p *payload.Payload) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sent) == 0 {
		return false
	}
	h, ok := p.Hash(r.seed)
	at, known := r.sent[h]
	return ok && known && time.Since(at) <= repeatsFor
}

// confirmed takes a second success whose answer broke off for what it says: to repeat the request for ever would deliver it as
// often.
func (k *Sender) confirmed(p *payload.Payload, out answer.Outcome) answer.Outcome {
	if !out.Said {
		return out
	}
	if k.said.has(p) {
		k.counters.broken.Add(float64(p.Items))
		k.notices.broken(p.Items)
		return answer.Outcome{Verdict: answer.Taken, Code: out.Code}
	}
	if h, ok := p.Hash(k.said.seed); ok {
		k.said.add(h)
	}
	return out
}

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
