// Package groupbyattrs moves attributes of records to their resource, and brings the records of equal resources, scopes and
// metrics together. The records' bytes are copied; a request in which nothing is to be moved passes as it came.
package groupbyattrs

import (
	"context"
	"sync"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Processor is the processor of one pipeline.
type Processor struct {
	keys []string
	next pipeline.Sink
	runs sync.Pool // *run
}

// New makes the processor.
func New(_ pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{keys: c.Keys, next: next}
	p.runs.New = func() any { return newRun(p.keys) }
	return p, nil
}

// requests are the buffers of changed requests.
var requests buffer.Scratch

// Consume hands on the records in their new order. Each keeps its own fate.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	r := p.runs.Get().(*run)
	defer func() {
		r.release()
		p.runs.Put(r)
	}()
	if !r.collect(b) {
		return p.halves(ctx, b)
	}
	if !r.changes() {
		return p.next.Consume(ctx, b)
	}
	buf := requests.Get()
	defer requests.Put(buf)
	request, order := r.build((*buf)[:0])
	*buf = request
	changed := b
	changed.Request = request
	return pipeline.HandOn(ctx, p.next, changed, b.Items, order)
}

// halves hands on a batch that would become too large in two parts, to keep the memory bounded. What is behind a refused part is
// refused unseen, to keep the order.
func (p *Processor) halves(ctx context.Context, b pipeline.Batch) error {
	g := pipeline.NewGather(b.Items)
	half := b.Items / 2
	for _, part := range []pipeline.Range{{From: 0, To: half}, {From: half, To: b.Items}} {
		if refusal := g.Answer().Refusal; refusal != nil {
			g.Refuse(pipeline.NewRanges([]pipeline.Range{part}), refusal)
			break
		}
		n := part.To - part.From
		g.Add(p.Consume(ctx, b.Cut(part.From, part.To)), n, pipeline.ItemMap{{From: part.From, N: n}})
	}
	return g.Err()
}

// fields are where a signal has the attributes of its items.
var fields = map[wire.Signal]int{wire.Logs: wire.FieldLogAttributes, wire.Traces: wire.FieldSpanAttributes}

var _ pipeline.Sink = (*Processor)(nil)
