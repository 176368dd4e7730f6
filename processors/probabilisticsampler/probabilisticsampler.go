// Package probabilisticsampler keeps a percentage of spans or log records. Its decisions are those of the Collector's
// processor of contrib 0.158, so that both keep the same traces, and it writes the same sampling information: OpenTelemetry's
// ot=rv:...;th:... in a span's trace state (https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/),
// and the attributes sampling.randomness and sampling.threshold in a log record.
package probabilisticsampler

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Processor is the processor of one pipeline.
type Processor struct {
	settings pipeline.Settings
	sampler  sampler
	next     pipeline.Sink
	runs     sync.Pool // *run
	closed   prometheus.Counter
	log      *slog.Logger // a line a minute
}

// New makes the processor.
func New(s pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{settings: s, sampler: newSampler(c), next: next, closed: newClosed(), log: throttle.Logger(s.Log, 1)}
	if err := s.Metrics.Register(p.closed); err != nil {
		return nil, fmt.Errorf("cannot register metrics: %w", err)
	}
	p.runs.New = func() any {
		r := &run{sampler: &p.sampler}
		r.editSpan, r.editLog = r.span, r.log
		return r
	}
	return p, nil
}

// run is a request on its way; its editor and buffers are used again.
type run struct {
	sampler           *sampler
	editor            wire.Editor
	editSpan, editLog func(*wire.Item)
	text, frame       []byte
	threshold         sampling.Threshold // that textOf was asked for last
	thresholdText     string
	closed            int // items that went by fail_closed
}

// requests are the buffers of changed requests.
var requests buffer.Scratch

// Consume hands on what is kept. What goes is dropped as sampled.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	buf := requests.Get()
	defer requests.Put(buf)
	r := p.runs.Get().(*run)
	defer p.runs.Put(r)
	edit := r.editSpan
	if b.Signal == pipeline.Logs {
		edit = r.editLog
	}
	r.closed = 0
	done := r.editor.EditItems((*buf)[:0], b.Signal, b.Request, edit)
	if done.Changed {
		*buf = done.Request
	}
	kept := b
	kept.Request, kept.Items = done.Request, b.Items-done.Removed
	if done.Removed == 0 {
		return p.next.Consume(ctx, kept)
	}
	if r.closed > 0 {
		p.closed.Add(float64(r.closed))
		p.log.Warn("items are dropped undecided: they have no trace ID or other attribute to decide by, or wrong sampling information", "items", r.closed,
			"fix", "fail_closed: false keeps them; for logs name an attribute in from_attribute")
	}
	p.settings.Drop(pipeline.DropSampled, b.Signal, done.Removed, max(len(b.Request)-len(done.Request), 0))
	if kept.Items == 0 {
		return nil
	}
	return pipeline.HandOn(ctx, p.next, kept, b.Items, pipeline.MapOf(done.Kept, b.Items))
}

var _ pipeline.Sink = (*Processor)(nil)
