// Package canary is the processor that measures what became of the records of canary receivers. It passes everything on as it
// came.
package canary

import (
	"bytes"
	"context"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// The attributes of a canary's records, as the receiver canary writes them.
const (
	attributeInstance = "sluice.canary.instance"
	attributeRun      = "sluice.canary.run"
	attributeSequence = "sluice.canary.sequence"
)

// mark is in the resource of every canary, and of nobody else.
var mark = []byte("sluice.canary.")

// Processor is the processor of one pipeline.
type Processor struct {
	settings pipeline.Settings
	next     pipeline.Sink
	flock    *flock
}

// New makes the processor in front of next.
func New(s pipeline.Settings, cfg *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{settings: s, next: next, flock: newFlock(cfg.MissingAfter)}
	return p, s.Metrics.Register(p.flock)
}

func (p *Processor) estate() string { return "canaries of " + p.settings.Signal.String() }

// Start implements pipeline.Starter.
func (p *Processor) Start(context.Context) error {
	if before, is := p.settings.Inherit(p.estate()).(*flock); is {
		p.flock.follow(before)
	}
	return nil
}

// Stop implements pipeline.Stopper.
func (p *Processor) Stop(context.Context) error {
	p.settings.Leave(p.estate(), p.flock)
	return nil
}

// Consume passes the batch on, and then looks at those records of canaries that were taken.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	found := false
	for rs := b.Request.Resources(); rs.Next() && !found; {
		found = bytes.Contains(rs.Resource(), mark)
	}
	err := p.next.Consume(ctx, b)
	if found {
		p.look(b, pipeline.Read(err, b.Items))
	}
	return err
}

func (p *Processor) look(b pipeline.Batch, a pipeline.Answer) {
	now := time.Now()
	gone := a.Refused
	for _, r := range a.Rejected {
		gone = gone.Union(r.Ranges)
	}
	at := 0
	for rs := b.Request.Resources(); rs.Next(); {
		from, to := rs.Range()
		first := at
		at += wire.Count(b.Signal, b.Request[from:to])
		if !bytes.Contains(rs.Resource(), mark) {
			continue
		}
		c, is := canaryOf(rs.Resource())
		if !is {
			continue
		}
		each(b.Signal, rs, func(i int, n uint64, made uint64) {
			item := pipeline.Ranges{{From: first + i, To: first + i + 1}}
			if gone.Intersect(item).Len() == 0 {
				p.flock.saw(sighting{c, n, now.Sub(time.Unix(0, int64(made))), now})
			}
		})
	}
}

// A canary is one run of an instance.
type canary struct {
	instance string
	run      int64
}

// maxInstance is the longest name of an instance, in bytes.
const maxInstance = 128

func canaryOf(resource []byte) (c canary, is bool) {
	attrs := wire.ResourceAttributes(resource)
	instance, named := attrs.Find(attributeInstance)
	run, begun := attrs.Find(attributeRun)
	if !named || !begun || instance.Kind() != wire.ValueString || run.Kind() != wire.ValueInt || len(instance.Str()) > maxInstance {
		return c, false
	}
	return canary{string(instance.Str()), run.Int()}, true
}

// each calls f for each item with its index in the resource, the number in it and its time.
func each(sig pipeline.Signal, rs wire.Resources, f func(i int, n, made uint64)) {
	i := 0
	numbered := func(attrs wire.Attributes, made uint64) {
		if v, has := attrs.Find(attributeSequence); has && v.Kind() == wire.ValueInt && v.Int() > 0 {
			f(i, uint64(v.Int()), made)
		}
		i++
	}
	for sc := rs.Scopes(); sc.Next(); {
		for it := sc.Items(); it.Next(); {
			switch sig {
			case pipeline.Logs:
				l := wire.ParseLog(it.Bytes())
				numbered(l.Attributes(), l.Time)
			case pipeline.Traces:
				s := wire.ParseSpan(it.Bytes())
				numbered(s.Attributes(), s.Start)
			case pipeline.Metrics:
				m := wire.ParseMetric(it.Bytes())
				for points := m.Points(); points.Next(); i++ {
					if m.Type != wire.MetricGauge || string(m.Name) != attributeSequence {
						continue
					}
					if pt := wire.ParseNumberPoint(points.Bytes()); pt.IsInt && pt.Int > 0 {
						f(i, uint64(pt.Int), pt.Time)
					}
				}
			}
		}
	}
}

var (
	_ pipeline.Starter = (*Processor)(nil)
	_ pipeline.Stopper = (*Processor)(nil)
)
