package probabilisticsampler

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// spans is a request of spans with the trace IDs from first on, without sampling information.
func spans(t testing.TB, n int) pipeline.Batch {
	td := ptrace.NewTraces()
	ss := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty()
	for i := range n {
		s := ss.Spans().AppendEmpty()
		var id pcommon.TraceID
		binary.BigEndian.PutUint64(id[:], uint64(i)*0x9E3779B97F4A7C15+1)
		binary.BigEndian.PutUint64(id[8:], uint64(i)*0xD1B54A32D192ED03+1)
		s.SetTraceID(id)
		s.SetName("GET /orders")
		s.Attributes().PutStr("http.route", "/orders")
	}
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Traces, Request: b, Items: n}
}

// TestPercentage: about so many are kept, the same ones again and by another instance, and what goes is counted. The oracle
// compares each decision with contrib's.
func TestPercentage(t *testing.T) {
	for _, mode := range []string{"hash_seed", "equalizing", "proportional"} {
		var kept [2]string
		for i := range kept {
			c := Default()
			c.Mode, c.SamplingPercentage = mode, 20
			s, books := pipelinetest.Settings(t, pipeline.KindProcessor, "probabilistic_sampler")
			sink := &pipelinetest.Recorder{}
			p, err := New(s, c, sink)
			if err != nil {
				t.Fatal(err)
			}
			const n = 5000
			if err := p.Consume(t.Context(), spans(t, n)); err != nil {
				t.Fatal(err)
			}
			if got := sink.Items(); math.Abs(float64(got)-n/5) > n/50 {
				t.Errorf("%s: %d of %d are kept", mode, got, n)
			}
			for _, s := range books.Read() {
				if s.Signal == pipeline.Traces && s.Dropped[pipeline.DropSampled].Items != int64(n-sink.Items()) {
					t.Errorf("%s: dropped %v", mode, s.Dropped)
				}
			}
			kept[i] = string(sink.Batches()[0].Request)
		}
		if kept[0] != kept[1] {
			t.Errorf("%s: two instances differ", mode)
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "probabilistic_sampler")
	sink := &pipelinetest.Recorder{}
	p, err := New(s, Default(), sink)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Consume(t.Context(), spans(t, 10)); err != nil || len(sink.Batches()) != 0 {
		t.Errorf("%v, %d batches", err, len(sink.Batches()))
	}
}

func TestValidate(t *testing.T) {
	c := &Config{SamplingPercentage: -1, Mode: "half", SamplingPrecision: 15, AttributeSource: "body"}
	err := c.Validate()
	for _, key := range []string{"sampling_percentage", "mode", "sampling_precision", "attribute_source"} {
		if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("nothing about %s in %v", key, err)
		}
	}
	c = Default()
	if c.AttributeSource = "record"; c.Validate() == nil {
		t.Error("record without from_attribute is taken")
	}
}

func BenchmarkConsume(b *testing.B) {
	for _, mode := range []string{"hash_seed", "proportional"} {
		b.Run(mode, func(b *testing.B) {
			s, _ := pipelinetest.Settings(b, pipeline.KindProcessor, "probabilistic_sampler")
			c := Default()
			c.Mode, c.SamplingPercentage = mode, 20
			p, err := New(s, c, &pipelinetest.Counter{})
			if err != nil {
				b.Fatal(err)
			}
			in := spans(b, 1000)
			if wire.Count(wire.Traces, in.Request) != 1000 {
				b.Fatal("not 1000")
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Consume(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/item")
		})
	}
}
