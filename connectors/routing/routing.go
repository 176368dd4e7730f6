// Package routing gives each record to the pipelines whose condition holds for it.
package routing

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
)

// Connector is the routing connector for one signal.
type Connector struct {
	settings   pipeline.Settings
	routes     []route
	conditions *ottl.Conditions
	sets       *sets
	propagate  bool // an error rejects the batch
}

// route is an entry of the table.
type route struct {
	condition int // in conditions; -1: header is the condition
	header    header
	text      string // of the header's condition
	copies    bool
}

// New makes the connector. Every pipeline must receive from it.
func New(s pipeline.Settings, c *Config, out pipeline.Outputs) (pipeline.Sink, error) {
	connector := &Connector{settings: s, sets: newSets(out)}
	mode, _ := ottl.ParseMode(c.ErrorMode)
	connector.propagate = mode == ottl.Propagate
	var blocks []ottl.Block
	var at []int // the route of each block
	var errs []error
	moved := map[string]int{} // routes that move, by their condition
	for i := range c.Table {
		r := &c.Table[i]
		path := fmt.Sprintf("table[%d]", i)
		key := r.Context + " " + r.Condition + r.Statement
		if first, again := moved[key]; again {
			s.Log.Warn("a route gets nothing, since an earlier one with the same condition moves it all; write action: copy there", "route", path, "earlier", fmt.Sprintf("table[%d]", first))
		} else if r.Action != copies {
			moved[key] = i
		}
		made := route{condition: -1, copies: r.Action == copies, text: r.Condition}
		if r.Context == request {
			h, err := r.header(path)
			made.header = h
			errs = append(errs, err)
		} else {
			b, err := r.block(path)
			errs = append(errs, err)
			made.condition = len(blocks)
			blocks, at = append(blocks, b), append(at, i)
		}
		connector.routes = append(connector.routes, made)
		errs = append(errs, connector.sets.choice(path+".pipelines", r.Pipelines))
	}
	errs = append(errs, connector.sets.choice("default_pipelines", c.DefaultPipelines))
	conditions, faults := compile(s.Signal, mode, blocks...)
	for _, f := range faults {
		errs = append(errs, fmt.Errorf(`"table[%d]" for %s: %w`, at[f.Block], s.Signal, f))
	}
	if connector.conditions = conditions; conditions != nil {
		conditions.Trace(s.Trace)
	}
	connector.sets.none = connector.sets.of(nil)
	return connector, errors.Join(errs...)
}

// Consume gives each record to the pipelines of its routes, in as few batches as there are different sets of pipelines.
func (c *Connector) Consume(ctx context.Context, b pipeline.Batch) error {
	p := plans.Get().(*plan)
	defer p.done()
	if err := p.make(c, b); err != nil {
		return pipeline.Reject(0, pipeline.DropInvalid, err)
	}
	switch {
	case len(p.to) == 0:
		c.settings.Drop(pipeline.DropUnrouted, b.Signal, b.Items, len(b.Request))
		return nil
	case len(p.shares) == 1:
		return p.to[0].sink.Consume(ctx, b)
	}
	parts := p.divide(b)
	if p.unrouted > 0 {
		left := 0
		for _, part := range parts {
			left += len(part.Request)
		}
		c.settings.Drop(pipeline.DropUnrouted, b.Signal, p.unrouted, max(len(b.Request)-left, 0))
	}
	return p.give(ctx, b.Items, parts)
}

func (c *Connector) report(condition string, err error, count int64) {
	words := "a condition failed, and so did not hold"
	if c.propagate {
		words = "a condition failed, and so the batch is rejected"
	}
	c.settings.Log.Warn(words, "condition", condition, "error", err, "count", count)
}

var _ pipeline.Sink = (*Connector)(nil)
