package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
)

// joiner runs the pipelines logs/in -> connector -> (logs/a, logs/b, metrics) and answers the receiver's output.
func joiner(t *testing.T, build func(pipeline.Settings, *fakeConfig, pipeline.Outputs) (pipeline.Sink, error), ways ...pipeline.Way) (*Service, pipeline.Sink) {
	t.Helper()
	k := &kit{outs: map[string]pipeline.Outputs{}}
	cfg := k.config(
		pipe(t, "logs/in", "in", "", "join"),
		pipe(t, "logs/a", "join", "mid", "out/a"),
		pipe(t, "logs/b", "join", "", "out/b"),
	)
	counts := pipe(t, "metrics", "join", "", "out/m")
	counts.Signal = pipeline.Metrics
	if ways[len(ways)-1].To == pipeline.Metrics {
		more := k.config(counts)
		cfg.Pipelines = append(cfg.Pipelines, counts)
		cfg.Instances = append(cfg.Instances, more.Instances...)
	}
	cfg.Instances = append(cfg.Instances, pipeline.Instance{
		ID: ids(t, "join")[0], Component: pipeline.Connector("join", func() *fakeConfig { return &fakeConfig{} }, build, ways...), Config: &fakeConfig{},
	})
	s := newService(t)
	if err := s.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(context.Background()) })
	return s, k.outs["in"].For(pipeline.Logs)
}

// TestAConnectorChooses: it sends items to one of its pipelines, and drops some; every edge is accounted for.
func TestAConnectorChooses(t *testing.T) {
	s, in := joiner(t, func(s pipeline.Settings, _ *fakeConfig, o pipeline.Outputs) (pipeline.Sink, error) {
		a, err := o.To(ids(t, "logs/a")...)
		if err != nil {
			return nil, err
		}
		both, err := o.To(o.Pipelines()...)
		if err != nil {
			return nil, err
		}
		if _, err := o.To(ids(t, "logs/z")...); err == nil || !strings.Contains(err.Error(), "logs/z") {
			t.Errorf("a pipeline that does not receive from it: %v", err)
		}
		return pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
			switch b.Items {
			case 1:
				return a.Consume(ctx, b)
			case 2:
				return both.Consume(ctx, b)
			}
			s.Drop(pipeline.DropFiltered, b.Signal, b.Items, len(b.Request))
			return nil
		}), nil
	}, pipeline.SameSignal()...)
	for _, n := range []int{1, 2, 4} {
		if err := in.Consume(t.Context(), batchOf(n)); err != nil {
			t.Error(err)
		}
	}
	own := map[string]pipeline.Statement{}
	for _, a := range s.Ledger().Read() {
		if a.Component == "connector/join" {
			own[a.Pipeline] = a
		}
	}
	if a := own[""]; a.In.Items != 7 || a.Out.Items != 3 || a.Dropped[pipeline.DropFiltered].Items != 4 {
		t.Errorf("the connector's account is %+v, want 7 in, 3 out, 4 filtered", a)
	}
	if own["logs/a"].Out.Items != 3 || own["logs/b"].Out.Items != 2 {
		t.Errorf("its pipelines took %d and %d, want 3 and 2", own["logs/a"].Out.Items, own["logs/b"].Out.Items)
	}
	if gap := s.Ledger().Unaccounted(); gap != 0 {
		t.Errorf("the ledger does not close by %d", gap)
	}
}

// TestAConnectorThatLosesIsFound: nil without a pipeline behind that took the items.
func TestAConnectorThatLosesIsFound(t *testing.T) {
	s, in := joiner(t, func(pipeline.Settings, *fakeConfig, pipeline.Outputs) (pipeline.Sink, error) {
		return pipeline.SinkFunc(func(context.Context, pipeline.Batch) error { return nil }), nil
	}, pipeline.SameSignal()...)
	if err := in.Consume(t.Context(), batchOf(5)); err != nil {
		t.Error(err)
	}
	if gap := s.Ledger().Unaccounted(); gap != 5 {
		t.Errorf("%d items are unaccounted for, want 5", gap)
	}
}

// TestAConnectorMayChangeTheSignal: what it makes of logs is metrics, of another number.
func TestAConnectorMayChangeTheSignal(t *testing.T) {
	s, in := joiner(t, func(s pipeline.Settings, _ *fakeConfig, o pipeline.Outputs) (pipeline.Sink, error) {
		if s.Signal != pipeline.Logs || o.For(pipeline.Traces) != nil {
			t.Errorf("it takes %s", s.Signal)
		}
		if _, err := o.To(o.Pipelines()...); err == nil {
			t.Error("one sink for pipelines of two signals")
		}
		return pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
			point := pipeline.Batch{Signal: pipeline.Metrics, Request: b.Request[:1], Items: 1}
			if err := o.For(pipeline.Metrics).Consume(ctx, point); err != nil {
				return err
			}
			return o.For(pipeline.Logs).Consume(ctx, b)
		}), nil
	}, pipeline.Way{From: pipeline.Logs, To: pipeline.Logs}, pipeline.Way{From: pipeline.Logs, To: pipeline.Metrics})
	if err := in.Consume(t.Context(), batchOf(5)); err != nil {
		t.Error(err)
	}
	for _, a := range s.Ledger().Read() {
		if a.Component == "exporter/out/m" && a.Signal == pipeline.Metrics && a.Delivered.Items != 1 {
			t.Errorf("the metrics pipeline delivered %d, want 1", a.Delivered.Items)
		}
	}
	if gap := s.Ledger().Unaccounted(); gap != 0 {
		t.Errorf("the ledger does not close by %d", gap)
	}
}
