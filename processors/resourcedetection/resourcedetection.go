// Package resourcedetection adds what it finds out about the place where it runs to every resource: the host, the
// container, the cloud and the Kubernetes node.
package resourcedetection

import (
	"context"
	"reflect"
	"time"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Processor is the processor of one pipeline.
type Processor struct {
	settings pipeline.Settings
	config   *Config
	found    *finder
	metrics  metrics
	next     pipeline.Sink
}

// New makes the processor. It looks only after Start.
func New(s pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	m := newMetrics()
	if err := m.register(s.Metrics); err != nil {
		return nil, err
	}
	return &Processor{settings: s, config: c, found: newFinder(c, s.Log, m), metrics: m, next: next}, nil
}

func (p *Processor) estate() string { return "what was detected for " + p.settings.Signal.String() }

// Start begins the detection and does not wait for it. After a reload with the same configuration, what was known counts
// until then.
func (p *Processor) Start(context.Context) error {
	if before, is := p.settings.Inherit(p.estate()).(*Processor); is && reflect.DeepEqual(before.config, p.config) {
		p.found.follow(before.found)
	}
	p.found.start()
	return nil
}

// Stop ends the detection.
func (p *Processor) Stop(context.Context) error {
	p.found.stop()
	p.settings.Leave(p.estate(), p)
	return nil
}

// requests are the buffers of changed requests.
var requests buffer.Scratch

// Consume adds what was found to each resource. Before the first detection has ended, it waits; that is bounded by the
// timeout.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	select {
	case <-p.found.first:
	default:
		select {
		case <-p.found.first:
		case <-ctx.Done():
			return pipeline.Withdrawn(ctx)
		}
	}
	edit := p.found.edit.Load()
	if edit.missing {
		p.metrics.incomplete.Add(float64(b.Items))
	}
	if edit.attributes == nil {
		return p.next.Consume(ctx, b)
	}
	buf := requests.Get()
	defer requests.Put(buf)
	out, changed := wire.EditResources(*buf, b.Request, edit.attributes.AppendResource)
	if changed {
		*buf = out
		b.Request = out
	}
	return p.next.Consume(ctx, b)
}

// firstTry and slowestTry bound the pause before a detector that failed is asked again.
const firstTry, slowestTry = time.Second, time.Minute

var _ pipeline.Sink = (*Processor)(nil)
