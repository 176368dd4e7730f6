// Package transform changes log records, spans and data points by statements in OTTL.
package transform

import (
	"context"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
)

// Processor is the transform processor of one pipeline.
type Processor struct {
	settings pipeline.Settings
	programs map[pipeline.Signal]*ottl.Program
	next     pipeline.Sink
}

// New makes the processor.
func New(s pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{settings: s, programs: map[pipeline.Signal]*ottl.Program{}, next: next}
	for _, signal := range pipeline.Signals {
		program, err := c.program(signal)
		if err != nil {
			return nil, err
		}
		if !program.Empty() {
			program.Trace(s.Trace)
			p.programs[signal] = program
		}
	}
	return p, nil
}

// Consume changes the batch and hands it on. Its items stay the same and in order, so the answer of next is the answer
// for b.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	program := p.programs[b.Signal]
	if program == nil {
		return p.next.Consume(ctx, b)
	}
	run := program.Start(p.report)
	defer run.Done()
	run.From(b.Origin.Peer, string(b.Origin.Metadata))
	request, err := run.Over(b.Request)
	if err != nil {
		return pipeline.Reject(0, pipeline.DropInvalid, err)
	}
	b.Request = request
	return p.next.Consume(ctx, b)
}

func (p *Processor) report(statement string, err error, count int64) {
	p.settings.Log.Warn("a statement failed", "statement", statement, "error", err, "count", count)
}

var _ pipeline.Sink = (*Processor)(nil)
