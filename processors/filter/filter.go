// Package filter drops log records, spans, span events, metrics and data points for which a condition holds.
package filter

import (
	"context"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
)

// Processor is the filter processor of one pipeline.
type Processor struct {
	settings pipeline.Settings
	filters  map[pipeline.Signal]*ottl.Filter
	next     pipeline.Sink
}

// New makes the processor.
func New(s pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{settings: s, filters: map[pipeline.Signal]*ottl.Filter{}, next: next}
	for _, signal := range pipeline.Signals {
		f, err := c.filter(signal)
		if err != nil {
			return nil, err
		}
		if f != nil {
			f.Trace(s.Trace)
			p.filters[signal] = f
		}
	}
	return p, nil
}

// Consume hands on what is left. What goes is dropped as filtered.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	f := p.filters[b.Signal]
	if f == nil {
		return p.next.Consume(ctx, b)
	}
	run := f.Start(p.report)
	defer run.Done()
	run.From(b.Origin.Peer, string(b.Origin.Metadata))
	done, err := run.Over(b.Request)
	if err != nil {
		return pipeline.Reject(0, pipeline.DropInvalid, err)
	}
	kept := b
	kept.Request, kept.Items = done.Request, b.Items-done.Removed
	if done.Removed == 0 { // at most events of spans are gone
		return p.next.Consume(ctx, kept)
	}
	p.settings.Drop(pipeline.DropFiltered, b.Signal, done.Removed, len(b.Request)-len(done.Request))
	if kept.Items == 0 {
		return nil
	}
	return pipeline.HandOn(ctx, p.next, kept, b.Items, pipeline.MapOf(done.Kept, b.Items))
}

func (p *Processor) report(condition string, err error, count int64) {
	p.settings.Log.Warn("a condition failed", "condition", condition, "error", err, "count", count)
}

var _ pipeline.Sink = (*Processor)(nil)
