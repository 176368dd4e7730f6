// Package nop is the exporter nop: it drops everything, on purpose.
package nop

import (
	"context"

	"github.com/sluiceio/sluice/pipeline"
)

// Exporter is the component.
type Exporter struct{ settings pipeline.Settings }

// New makes the exporter.
func New(s pipeline.Settings, _ *Config) (pipeline.Sink, error) { return &Exporter{settings: s}, nil }

// Consume implements pipeline.Sink.
func (e *Exporter) Consume(_ context.Context, b pipeline.Batch) error {
	e.settings.Drop(pipeline.DropFiltered, b.Signal, b.Items, len(b.Request))
	return nil
}
