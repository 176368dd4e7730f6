// Package attributes changes attributes of log records, spans and data points by a list of actions. The actions are
// statements in OTTL: see package ottl.
package attributes

import (
	"context"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/ottl/actions"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Processor is the attributes processor of one pipeline.
type Processor struct {
	programs map[pipeline.Signal]*ottl.Program
	edit     *wire.AttributeEdit // in place of the programs, where they do no more
	next     pipeline.Sink
}

// New makes the processor.
func New(s pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{programs: map[pipeline.Signal]*ottl.Program{}, next: next}
	if s.Trace == nil && c.Include == nil && c.Exclude == nil {
		p.edit = actions.Plain(c.Actions)
	}
	for _, signal := range pipeline.Signals {
		program, err := c.program(signal)
		if err != nil {
			return nil, err
		}
		program.Trace(s.Trace)
		p.programs[signal] = program
	}
	return p, nil
}

// Consume changes the batch and hands it on. Its items stay the same and in order, so the answer of next is the answer
// for b.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	if p.edit != nil {
		return p.edited(ctx, b)
	}
	run := p.programs[b.Signal].Start(func(string, error, int64) {})
	defer run.Done()
	run.From(b.Origin.Peer, string(b.Origin.Metadata))
	request, err := run.Over(b.Request)
	if err != nil {
		return pipeline.Reject(0, pipeline.DropInvalid, err)
	}
	b.Request = request
	return p.next.Consume(ctx, b)
}

var _ pipeline.Sink = (*Processor)(nil)
