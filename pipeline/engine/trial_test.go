package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
)

// TestTrial: a Watch sees each place with its batch, in the order of the configuration, and a Trial has no data directory.
func TestTrial(t *testing.T) {
	type none struct{}
	noConfig := func() *none { return &none{} }
	var out pipeline.Outputs
	receiver := pipeline.Receiver("in", noConfig, func(s pipeline.Settings, _ *none, o pipeline.Outputs) (any, error) {
		if s.DataDir != "" {
			t.Errorf("data directory %q", s.DataDir)
		}
		out = o
		return &none{}, nil
	}, pipeline.Logs)
	processor := pipeline.Processor("first", noConfig, func(_ pipeline.Settings, _ *none, next pipeline.Sink) (pipeline.Sink, error) {
		return pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error { return next.Consume(ctx, b.Cut(0, 1)) }), nil
	}, pipeline.Logs)
	connector := pipeline.Connector("join", noConfig, func(_ pipeline.Settings, _ *none, o pipeline.Outputs) (pipeline.Sink, error) {
		return o.For(pipeline.Logs), nil
	}, pipeline.SameSignal()...)
	exporter := pipeline.Exporter("out", noConfig, func(s pipeline.Settings, _ *none) (pipeline.Sink, error) {
		return pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
			s.Delivered(b.Signal, b.Items, len(b.Request))
			return nil
		}), nil
	}, pipeline.Logs)
	id := func(typ, name string) pipeline.ID { return pipeline.ID{Type: typ, Name: name} }
	in, first, join, a, b := id("in", ""), id("first", ""), id("join", ""), id("out", "a"), id("out", "b")
	cfg := &pipeline.Config{
		Instances: []pipeline.Instance{
			{ID: in, Component: receiver, Config: &none{}}, {ID: first, Component: processor, Config: &none{}},
			{ID: join, Component: connector, Config: &none{}}, {ID: a, Component: exporter, Config: &none{}}, {ID: b, Component: exporter, Config: &none{}},
		},
		Pipelines: []pipeline.PipelineConfig{
			{ID: id("logs", ""), Signal: pipeline.Logs, Receivers: []pipeline.ID{in}, Processors: []pipeline.ID{first}, Exporters: []pipeline.ID{a, join, b}},
			{ID: id("logs", "behind"), Signal: pipeline.Logs, Receivers: []pipeline.ID{join}, Exporters: []pipeline.ID{b, a}},
		},
	}
	var seen []string
	trial, err := Try(t.Context(), cfg, TrialSettings{Log: slog.New(slog.DiscardHandler), Watch: func(at At, b pipeline.Batch, on func() error) error {
		seen = append(seen, fmt.Sprintf("%s %s %s %d", at.Kind, at.ID, at.Pipeline, b.Items))
		return on()
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.For(pipeline.Logs).Consume(t.Context(), logsOf([]string{"x", "y"})); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"  logs 2", "processor first logs 2", "exporter out/a logs 1", "connector join  1", "  logs/behind 1", "exporter out/b logs/behind 1",
		"exporter out/a logs/behind 1", "exporter out/b logs 1",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
	if err := trial.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
