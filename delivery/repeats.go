package delivery

import (
	"hash/maphash"
	"sync"
	"time"

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
