package canary

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func value(t *testing.T, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// logs is a request of a resource with one log a number.
func logs(resource func([]byte) []byte, numbers ...int64) []byte {
	dst, rx := wire.BeginMessage(nil, wire.FieldRequestResource)
	dst, r := wire.BeginMessage(dst, wire.FieldResourceXResource)
	dst = wire.EndMessage(resource(dst), r)
	dst, sc := wire.BeginMessage(dst, wire.FieldResourceXScope)
	for _, n := range numbers {
		var item int
		dst, item = wire.BeginMessage(dst, wire.FieldScopeXItem)
		dst = wire.AppendFixed64(dst, wire.FieldLogTime, uint64(time.Now().Add(-time.Second).UnixNano()))
		dst = wire.EndMessage(wire.AppendIntAttribute(dst, wire.FieldLogAttributes, attributeSequence, n), item)
	}
	return wire.EndMessage(wire.EndMessage(dst, sc), rx)
}

func canaryNamed(name string) func([]byte) []byte {
	return func(dst []byte) []byte {
		dst = wire.AppendStringAttribute(dst, wire.FieldResourceAttributes, attributeInstance, name)
		return wire.AppendIntAttribute(dst, wire.FieldResourceAttributes, attributeRun, 7)
	}
}

func other(dst []byte) []byte {
	return wire.AppendStringAttribute(dst, wire.FieldResourceAttributes, "service.name", "shop")
}

func newProcessor(t *testing.T, next pipeline.Sink) (*Processor, *prometheus.Registry) {
	t.Helper()
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "canary")
	s.Signal = pipeline.Logs
	p, err := New(s, Default(), next)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*Processor), s.Metrics.(*prometheus.Registry)
}

func batchOf(parts ...[]byte) pipeline.Batch {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: wire.Count(pipeline.Logs, b)}
}

// TestOnlyWhatIsTakenCounts: of a mixed batch in which items are refused and rejected, others' records are nobody's business.
func TestOnlyWhatIsTakenCounts(t *testing.T) {
	var answer error
	p, reg := newProcessor(t, pipeline.SinkFunc(func(context.Context, pipeline.Batch) error { return answer }))
	b := batchOf(logs(other, 1, 2), logs(canaryNamed("a"), 1, 2, 3, 4), logs(other, 9), logs(canaryNamed("b"), 5))
	g := pipeline.NewGather(b.Items)
	g.Refuse(pipeline.Ranges{{From: 3, To: 4}}, pipeline.Refuse(0, errors.New("busy")))                                             // 2 of a
	g.Reject(pipeline.Rejected{Ranges: pipeline.Ranges{{From: 5, To: 6}}, Reason: pipeline.DropRejected, Err: errors.New("never")}) // 4 of a
	answer = g.Err()
	if err := p.Consume(t.Context(), b); err == nil {
		t.Error("the answer was not passed on")
	}
	a := p.flock.instances["a"].own
	if n := value(t, a.received); n != 2 {
		t.Errorf("%v records of a, want 2", n)
	}
	if n := value(t, p.flock.instances["b"].own.received); n != 1 || len(p.flock.instances) != 2 {
		t.Errorf("%v records of b, %d instances", n, len(p.flock.instances))
	}
	answer = nil
	if err := p.Consume(t.Context(), b.Remaining(g.Err())); err != nil {
		t.Error(err)
	}
	if n := value(t, a.received); n != 3 || value(t, a.duplicate) != 0 {
		t.Errorf("%v records of a, want 3", n)
	}
	if err := p.Consume(t.Context(), b); err != nil || value(t, a.duplicate) != 3 {
		t.Errorf("%v duplicates, want 3", value(t, a.duplicate))
	}
	if text := gathered(t, reg); !strings.Contains(text, `sluice_canary_latency_seconds a 7 1s`) {
		t.Errorf("latency:\n%s", text)
	}
}

func gathered(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range all {
		for _, m := range f.Metric {
			name := ""
			if len(m.Label) > 0 {
				name = m.Label[0].GetValue()
			}
			if h := m.Histogram; h != nil {
				mean := time.Duration(h.GetSampleSum() / float64(h.GetSampleCount()) * 1e9)
				fmt.Fprintln(&b, f.GetName(), name, h.GetSampleCount(), mean.Round(time.Second))
				continue
			}
			fmt.Fprintln(&b, f.GetName(), name, m.GetCounter().GetValue())
		}
	}
	return b.String()
}

// TestStrangersAreBounded: more instances than are followed are counted, and those that are gone make room.
func TestStrangersAreBounded(t *testing.T) {
	p, reg := newProcessor(t, &pipelinetest.Counter{})
	now := time.Now()
	for n := range maxInstances + 5 {
		p.flock.saw(sighting{canary{fmt.Sprint(n), 1}, 1, 0, now})
	}
	if len(p.flock.instances) != maxInstances || value(t, p.flock.ignored) != 5 {
		t.Errorf("%d instances, %v ignored", len(p.flock.instances), value(t, p.flock.ignored))
	}
	p.flock.saw(sighting{canary{"new", 1}, 1, 0, now.Add(gone + time.Minute)})
	if text := gathered(t, reg); len(p.flock.instances) != 1 || strings.Contains(text, "total 7 ") || !strings.Contains(text, "received_records_total new 1") {
		t.Errorf("%d instances:\n%.300s", len(p.flock.instances), text)
	}
	// Malformed ones are not canaries.
	long := canaryNamed(strings.Repeat("x", maxInstance+1))
	for _, resource := range []func([]byte) []byte{long, func(dst []byte) []byte {
		return wire.AppendStringAttribute(dst, wire.FieldResourceAttributes, attributeInstance, "no run")
	}, func(dst []byte) []byte {
		return wire.AppendIntAttribute(dst, wire.FieldResourceAttributes, attributeInstance, 3)
	}} {
		if err := p.Consume(t.Context(), batchOf(logs(resource, 1))); err != nil {
			t.Error(err)
		}
	}
	if err := p.Consume(t.Context(), batchOf(logs(canaryNamed("new"), -4, 0))); err != nil || len(p.flock.instances) != 1 {
		t.Errorf("%v, %d instances", err, len(p.flock.instances))
	}
}

// TestAReloadKeepsCounting: what the graph before has seen comes as a duplicate.
func TestAReloadKeepsCounting(t *testing.T) {
	p, _ := newProcessor(t, &pipelinetest.Counter{})
	p.settings.Estates.Open()
	b := batchOf(logs(canaryNamed("a"), 1, 2))
	p.Consume(t.Context(), b)
	p.Stop(t.Context())
	next, _ := newProcessor(t, &pipelinetest.Counter{})
	next.settings.Estates = p.settings.Estates
	next.Start(t.Context())
	next.Consume(t.Context(), b)
	if n := value(t, next.flock.instances["a"].own.duplicate); n != 2 {
		t.Errorf("%v duplicates, want 2", n)
	}
}

// BenchmarkOthers is what a batch of 1,000 logs in 10 resources costs without a canary in it.
func BenchmarkOthers(b *testing.B) {
	s, _ := pipelinetest.Settings(b, pipeline.KindProcessor, "canary")
	p, err := New(s, Default(), &pipelinetest.Counter{})
	if err != nil {
		b.Fatal(err)
	}
	var parts [][]byte
	for range 10 {
		parts = append(parts, logs(other, make([]int64, 100)...))
	}
	batch := batchOf(parts...)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Consume(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}
