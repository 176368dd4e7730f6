package engine

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

const (
	settledFor  = 10 * time.Minute
	settledMost = 1 << 16
)

// settled remembers what a branch of a fan-out has settled (taken or rejected) while another branch refused it, so that
// the branch does not get it again when the caller repeats it. The unit is a resource's part of a request, by a keyed
// 128-bit hash. An entry serves one repeat: equal records are legal. It is written on the refusing path only, bounded in
// number and age, and outlives reloads. Repeats that the caller regroups are not recognised, nor what it repeats although
// it was not refused.
type settled struct {
	seeds [2]maphash.Seed
	n     atomic.Int64 // entries; 0 is the usual case

	mu    sync.Mutex
	byKey map[settledKey][]*settledPart
	order []*settledPart // oldest first, used ones included
}

type settledKey [2]uint64

// settledPart is one part, as it came and as a caller cuts it that repeats only what was refused.
type settledPart struct {
	keys     [2]settledKey
	at       time.Time
	used     bool
	rejected *pipeline.Rejected // nil: taken
}

func newSettled() *settled {
	return &settled{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, byKey: map[settledKey][]*settledPart{}}
}

func (m *settled) key(branch string, b pipeline.Batch, part []byte) (k settledKey) {
	for i, seed := range m.seeds {
		var h maphash.Hash
		h.SetSeed(seed)
		h.WriteString(branch)
		h.WriteByte(byte(b.Signal))
		h.WriteString(b.Origin.Tenant)
		h.WriteByte(0)
		h.Write(part)
		k[i] = h.Sum64()
	}
	return k
}

// parts walks the resources' parts of a batch, with the items of each.
func parts(b pipeline.Batch, each func(part []byte, items pipeline.Range)) {
	at := 0
	for rs := b.Request.Resources(); rs.Next(); {
		from, to := rs.Range()
		part := b.Request[from:to]
		n := wire.Count(b.Signal, part)
		each(part, pipeline.Range{From: at, To: at + n})
		at += n
	}
}

// offer gives a branch what it has not settled before. known are the items that were not given to it.
func (m *settled) offer(branch string, b pipeline.Batch, give func(pipeline.Batch) error) (a pipeline.Answer, known pipeline.Ranges) {
	if m.n.Load() == 0 {
		return pipeline.Read(give(b), b.Items), nil
	}
	g := pipeline.NewGather(b.Items)
	var rest []pipeline.Range
	var had []pipeline.Range
	parts(b, func(part []byte, items pipeline.Range) {
		p := m.use(m.key(branch, b, part))
		if p == nil {
			rest = append(rest, items)
			return
		}
		had = append(had, items)
		if p.rejected != nil {
			r := *p.rejected
			r.Ranges, r.Count = pipeline.NewRanges([]pipeline.Range{items}), 0
			g.Reject(r)
		}
	})
	if had == nil {
		return pipeline.Read(give(b), b.Items), nil
	}
	if left := pipeline.NewRanges(rest); left.Len() > 0 {
		cut := b.CutRanges(nil, left)
		var moved pipeline.ItemMap
		for _, r := range left {
			moved = append(moved, pipeline.Moved{From: r.From, N: r.To - r.From})
		}
		g.Add(give(cut), cut.Items, moved)
	}
	return g.Answer(), pipeline.NewRanges(had)
}

// use takes an entry.
func (m *settled) use(k settledKey) *settledPart {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.byKey[k] {
		if time.Since(p.at) <= settledFor {
			m.forgetLocked(p)
			return p
		}
	}
	return nil
}

// remember notes what a branch has settled of items that others refused, and that the caller repeats.
func (m *settled) remember(branch string, b pipeline.Batch, a pipeline.Answer, repeated pipeline.Ranges) {
	parts(b, func(part []byte, items pipeline.Range) {
		whole := pipeline.NewRanges([]pipeline.Range{items})
		again := repeated.Intersect(whole)
		if again.Len() == 0 || a.Refused.Intersect(again).Len() > 0 {
			return
		}
		p := &settledPart{at: time.Now()}
		p.keys[0] = m.key(branch, b, part)
		p.keys[1] = p.keys[0]
		if again.Len() < whole.Len() {
			p.keys[1] = m.key(branch, b, b.CutRanges(nil, again).Request)
		}
		for i := range a.Rejected {
			if again.Without(a.Rejected[i].Ranges).Len() == 0 {
				p.rejected = &a.Rejected[i]
			}
		}
		m.add(p)
	})
}

func (m *settled) add(p *settledPart) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.order) > 0 && (m.order[0].used || time.Since(m.order[0].at) > settledFor || len(m.order) >= settledMost) {
		m.forgetLocked(m.order[0])
		m.order = m.order[1:]
	}
	m.order = append(m.order, p)
	m.n.Add(1)
	m.byKey[p.keys[0]] = append(m.byKey[p.keys[0]], p)
	if p.keys[1] != p.keys[0] {
		m.byKey[p.keys[1]] = append(m.byKey[p.keys[1]], p)
	}
}

func (m *settled) forgetLocked(p *settledPart) {
	if p.used {
		return
	}
	p.used = true
	m.n.Add(-1)
	for _, k := range p.keys {
		list := m.byKey[k]
		for i, x := range list {
			if x == p {
				list = append(list[:i:i], list[i+1:]...)
				break
			}
		}
		if len(list) == 0 {
			delete(m.byKey, k)
		} else {
			m.byKey[k] = list
		}
	}
}
