package routing

import (
	"context"
	"sync"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// A plan says where each record of a batch goes.
type plan struct {
	connector *Connector
	asking    *ottl.Asking
	headers   []bool // by route: whether a condition about a header holds

	to       []*set       // the sets that get something
	shares   []wire.Share // by index of to
	unrouted int

	divider wire.Divider
	bodies  [][]byte
	lent    []*[]byte
	counted func(int) // place; made once, since a closure for each batch would allocate
}

var plans = sync.Pool{New: func() any {
	p := &plan{}
	p.counted = p.place
	return p
}}

// requests are the buffers of the parts.
var requests buffer.Scratch

// make asks the conditions. An error is that of a condition in the mode propagate.
func (p *plan) make(c *Connector, b pipeline.Batch) error {
	p.connector = c
	for i := range c.routes {
		r := &c.routes[i]
		holds := r.condition < 0 && r.header.holds(b.Origin.Metadata)
		p.headers = append(p.headers, holds)
		if trace := c.settings.Trace; trace != nil && r.condition < 0 {
			trace(ottl.Step{Text: r.text, Condition: true, Held: holds})
		}
	}
	p.asking = c.conditions.Start(c.report)
	defer p.asking.Done()
	p.asking.From(b.Origin.Peer, string(b.Origin.Metadata))
	return p.asking.Over(b.Request, p.counted)
}

// place says where the next records go.
func (p *plan) place(records int) {
	if records == 0 {
		return
	}
	c := p.connector
	to, moved := c.sets.none, false
	for i := range c.routes {
		r := &c.routes[i]
		if r.condition < 0 && !p.headers[i] || r.condition >= 0 && !p.asking.Holds(r.condition) {
			continue
		}
		to = c.sets.with(to, i)
		if moved = !r.copies; moved {
			break
		}
	}
	if !moved {
		to = c.sets.with(to, len(c.routes))
	}
	index := -1
	if to.sink == nil {
		p.unrouted += records
	} else {
		index = p.index(to)
	}
	if n := len(p.shares); n > 0 && p.shares[n-1].To == index {
		p.shares[n-1].Count += records
		return
	}
	p.shares = append(p.shares, wire.Share{To: index, Count: records})
}

func (p *plan) index(to *set) int {
	for i, have := range p.to {
		if have == to {
			return i
		}
	}
	p.to = append(p.to, to)
	return len(p.to) - 1
}

// divide makes the batch of each set.
func (p *plan) divide(b pipeline.Batch) []pipeline.Batch {
	for range p.to {
		buf := requests.Get()
		p.lent, p.bodies = append(p.lent, buf), append(p.bodies, *buf)
	}
	p.divider.Divide(p.bodies, b.Signal, b.Request, p.shares)
	parts := make([]pipeline.Batch, len(p.to))
	for i, body := range p.bodies {
		*p.lent[i] = body
		parts[i] = b
		parts[i].Request, parts[i].Items = body, 0
	}
	for _, share := range p.shares {
		if share.To >= 0 {
			parts[share.To].Items += share.Count
		}
	}
	return parts
}

// give hands on the parts, side by side, and makes one answer of theirs.
func (p *plan) give(ctx context.Context, items int, parts []pipeline.Batch) error {
	answers := make([]error, len(parts))
	var wg sync.WaitGroup
	for i := range parts[1:] {
		wg.Go(func() { answers[i+1] = p.to[i+1].sink.Consume(ctx, parts[i+1]) })
	}
	answers[0] = p.to[0].sink.Consume(ctx, parts[0])
	wg.Wait()
	g := pipeline.NewGather(items)
	for i, err := range answers {
		if err != nil {
			g.Add(err, parts[i].Items, p.origin(i))
		}
	}
	return g.Err()
}

// origin maps the items of a part to those of the batch.
func (p *plan) origin(part int) (m pipeline.ItemMap) {
	at := 0
	for _, share := range p.shares {
		if share.To == part {
			m = append(m, pipeline.Moved{From: at, N: share.Count})
		}
		at += share.Count
	}
	return m
}

// done keeps nothing of the batch.
func (p *plan) done() {
	for _, buf := range p.lent {
		requests.Put(buf)
	}
	clear(p.to)
	clear(p.lent)
	clear(p.bodies)
	p.connector, p.asking, p.unrouted = nil, nil, 0
	p.headers, p.to, p.shares, p.lent, p.bodies = p.headers[:0], p.to[:0], p.shares[:0], p.lent[:0], p.bodies[:0]
	plans.Put(p)
}
