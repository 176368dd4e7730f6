package allinone

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/processors/batch"
	"github.com/sluiceio/sluice/processors/canary"
	canaryreceiver "github.com/sluiceio/sluice/receivers/canary"
)

// TestACanaryIsHeard: what the receiver makes, of each signal, the processor knows behind a batch: nothing missing, nothing
// twice, but what is sent again is.
func TestACanaryIsHeard(t *testing.T) {
	var out pipeline.Outputs
	regs := map[pipeline.Signal]*prometheus.Registry{}
	twice := map[pipeline.Signal]pipeline.Sink{}
	end := &pipelinetest.Recorder{}
	for _, sig := range pipeline.Signals {
		s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "canary")
		s.Signal = sig
		heard, err := canary.New(s, canary.Default(), end)
		if err != nil {
			t.Fatal(err)
		}
		regs[sig], twice[sig] = s.Metrics.(*prometheus.Registry), heard
		s, _ = pipelinetest.Settings(t, pipeline.KindProcessor, "batch")
		s.Signal = sig
		merged, err := batch.New(s, batch.Default(), heard)
		if err != nil {
			t.Fatal(err)
		}
		if b, is := merged.(pipeline.Starter); is {
			if err := b.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if b, is := merged.(pipeline.Stopper); is {
			t.Cleanup(func() { _ = b.Stop(context.WithoutCancel(t.Context())) })
		}
		out = out.With(sig, merged)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "canary")
	cfg := canaryreceiver.Default()
	cfg.Interval, cfg.Instance = 10*time.Millisecond, "edge"
	r, err := canaryreceiver.New(s, cfg, out)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.(pipeline.Starter).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	if err := r.(pipeline.Stopper).Stop(t.Context()); err != nil {
		t.Error(err)
	}
	came := map[pipeline.Signal]float64{}
	again := map[pipeline.Signal]float64{}
	for _, b := range end.Batches() {
		came[b.Signal] += float64(b.Items)
		if again[b.Signal] == 0 {
			again[b.Signal] = float64(b.Items)
			if err := twice[b.Signal].Consume(t.Context(), b); err != nil {
				t.Error(err)
			}
		}
	}
	for sig, reg := range regs {
		got := counters(t, reg)
		if came[sig] < 3 || got["received"] != came[sig]+again[sig] || got["duplicate"] != again[sig] || got["missing"] != 0 || got["late"] != 0 {
			t.Errorf("%s: %v, want %v and %v again", sig, got, came[sig], again[sig])
		}
	}
}

func counters(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range all {
		for _, what := range []string{"received", "duplicate", "missing", "late"} {
			if f.GetName() != "sluice_canary_"+what+"_records_total" {
				continue
			}
			if len(f.Metric) != 1 || f.Metric[0].Label[0].GetValue() != "edge" {
				t.Errorf("%s is not of one canary", f.GetName())
			}
			out[what] = f.Metric[0].Counter.GetValue()
		}
	}
	return out
}
