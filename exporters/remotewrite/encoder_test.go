package remotewrite

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/prom"
)

// batch takes pdata as a checked batch.
func batch(t testing.TB, md pmetric.Metrics) pipeline.Batch {
	t.Helper()
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	r, info, err := wire.Check(wire.Metrics, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Metrics, Request: r, Items: info.Items}
}

// everything has each type of metric, several times over, from several resources.
func everything(rnd *rand.Rand) pmetric.Metrics {
	md := pmetric.NewMetrics()
	at := func() pcommon.Timestamp { return pcommon.Timestamp(1_700_000_000_000+rnd.Int64N(1000)*15_000) * 1e6 }
	for r := range 3 {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", fmt.Sprint("service ", r))
		rm.Resource().Attributes().PutStr("team", "blue")
		for range 2 {
			ms := rm.ScopeMetrics().AppendEmpty().Metrics()
			for _, name := range []string{"requests", "queue.length"} {
				m := ms.AppendEmpty()
				m.SetName(name)
				m.SetDescription("help of " + name)
				m.SetUnit("s")
				points := m.SetEmptyGauge().DataPoints()
				if name == "requests" {
					s := m.SetEmptySum()
					s.SetIsMonotonic(true)
					s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
					points = s.DataPoints()
				}
				for range 20 {
					p := points.AppendEmpty()
					p.SetTimestamp(at())
					p.Attributes().PutInt("n", rnd.Int64N(5))
					p.SetDoubleValue(rnd.Float64())
					if rnd.IntN(4) == 0 {
						p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
					}
					if rnd.IntN(4) == 0 {
						x := p.Exemplars().AppendEmpty()
						x.SetDoubleValue(3)
						x.SetTimestamp(at())
						x.SetTraceID([16]byte{1})
					}
				}
			}
			h := ms.AppendEmpty()
			h.SetName("latency")
			hs := h.SetEmptyHistogram()
			hs.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			for range 3 {
				p := hs.DataPoints().AppendEmpty()
				p.SetTimestamp(at())
				p.ExplicitBounds().FromRaw([]float64{0.1, 1, 10})
				p.BucketCounts().FromRaw([]uint64{1, 2, 3, 4})
				p.SetCount(10)
				p.SetSum(44)
			}
			x := ms.AppendEmpty()
			x.SetName("native")
			xs := x.SetEmptyExponentialHistogram()
			xs.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			for i := range 3 {
				p := xs.DataPoints().AppendEmpty()
				p.SetTimestamp(at())
				p.SetScale(int32(3 - i))
				p.Positive().SetOffset(-2)
				p.Positive().BucketCounts().FromRaw([]uint64{1, 0, 0, 0, 0, 7, 2})
				p.Negative().BucketCounts().FromRaw([]uint64{5})
				p.SetZeroCount(uint64(i))
				p.SetCount(15 + uint64(i))
				p.SetSum(1.5)
			}
			q := ms.AppendEmpty()
			q.SetName("quantiles")
			qp := q.SetEmptySummary().DataPoints().AppendEmpty()
			qp.SetTimestamp(at())
			qp.SetCount(3)
			qp.QuantileValues().AppendEmpty().SetQuantile(0.5)
			d := ms.AppendEmpty()
			d.SetName("delta")
			d.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			d.Sum().DataPoints().AppendEmpty().SetTimestamp(at())
		}
	}
	return md
}

// facts are what a request says, one line a sample, exemplar or histogram, whatever the order of the series.
func facts(lines []string) []string {
	slices.Sort(lines)
	return lines
}

// wanted walks a batch without a cache and without grouping.
func wanted(t testing.TB, c *Config, b pipeline.Batch) (lines []string) {
	p := prom.DefaultConfig()
	p.PromoteResourceAttributes, p.ExternalLabels, p.TargetInfo = c.PromoteResourceAttributes, c.ExternalLabels, c.TargetInfo.Enabled
	p.CacheBytes = -1
	_, err := prom.New(p).Walk(b.Request, prom.SinkFunc(func(s *prom.Sample) error {
		if h := s.Histogram; h != nil {
			lines = append(lines, fmt.Sprintf("%s H %d %x schema %d zero %d %v neg %v %v pos %v %v @%d", s.Labels, h.Count,
				math.Float64bits(h.Sum), h.Schema, h.ZeroCount, h.ZeroThreshold, h.NegativeSpans, h.NegativeDeltas, h.PositiveSpans, h.PositiveDeltas, s.Time))
		} else {
			lines = append(lines, fmt.Sprintf("%s %x @%d", s.Labels, math.Float64bits(s.Value), s.Time))
		}
		for _, x := range s.Exemplars {
			lines = append(lines, fmt.Sprintf("%s X %s %v @%d", s.Labels, x.Labels, x.Value, x.Time))
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return facts(lines)
}

func withoutInfo(lines []string) []string {
	return slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, `"target_info"`) })
}

func labelText(ls []prompb.Label) string {
	parts := make([]string, len(ls))
	for i, l := range ls {
		parts[i] = l.Name + `="` + l.Value + `"`
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// decoded reads a request with Prometheus' own types, and checks what must hold of each series.
func decoded(t testing.TB, body []byte) (w prompb.WriteRequest, lines []string) {
	t.Helper()
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	for _, ts := range w.Timeseries {
		labels := labelText(ts.Labels)
		if !slices.IsSortedFunc(ts.Labels, func(a, b prompb.Label) int { return cmp.Compare(a.Name, b.Name) }) {
			t.Errorf("%s: labels are not sorted", labels)
		}
		if !slices.IsSortedFunc(ts.Samples, func(a, b prompb.Sample) int { return cmp.Compare(a.Timestamp, b.Timestamp) }) {
			t.Errorf("%s: samples are not in order", labels)
		}
		for _, s := range ts.Samples {
			lines = append(lines, fmt.Sprintf("%s %x @%d", labels, math.Float64bits(s.Value), s.Timestamp))
		}
		for _, x := range ts.Exemplars {
			lines = append(lines, fmt.Sprintf("%s X %s %v @%d", labels, labelText(x.Labels), x.Value, x.Timestamp))
		}
		for _, h := range ts.Histograms {
			spans := func(in []prompb.BucketSpan) (out []prom.Span) {
				for _, s := range in {
					out = append(out, prom.Span{Offset: s.Offset, Length: s.Length})
				}
				return out
			}
			lines = append(lines, fmt.Sprintf("%s H %d %x schema %d zero %d %v neg %v %v pos %v %v @%d", labels, h.GetCountInt(),
				math.Float64bits(h.Sum), h.Schema, h.GetZeroCountInt(), h.ZeroThreshold, spans(h.NegativeSpans), h.NegativeDeltas,
				spans(h.PositiveSpans), h.PositiveDeltas, h.Timestamp))
			if h.IsFloatHistogram() {
				t.Errorf("%s: a float histogram", labels)
			}
		}
	}
	return w, lines
}

func TestRequestsSayWhatTheBatchSays(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
	}{
		{"one request", func(*Config) {}},
		{"shards", func(c *Config) { c.Queue.NumConsumers = 4 }},
		{"small requests", func(c *Config) { c.MaxBatchSizeBytes = 2000 }},
		{"small requests in shards", func(c *Config) { c.MaxBatchSizeBytes, c.Queue.NumConsumers = 2000, 3 }},
		{"external labels", func(c *Config) { c.ExternalLabels = map[string]string{"cluster": "c1", "job": "not this"} }},
		{"metadata", func(c *Config) { c.SendMetadata = true }},
		{"gathered in pieces", func(c *Config) { c.MaxBatchSizeBytes, c.Queue.NumConsumers = 2900, 2 }},
		{"no target_info", func(c *Config) { c.TargetInfo.Enabled = false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Default()
			c.change(cfg)
			e := newEncoder(cfg)
			if c.name == "gathered in pieces" {
				e.flushAt = 500
			}
			rnd := rand.New(rand.NewPCG(1, 2))
			for n := range 5 { // the later ones from a warm cache
				b := batch(t, everything(rnd))
				groups, report, err := e.encode(b)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				items, size, requests, metadata := 0, 0, 0, 0
				home := map[string]int{} // the group of each series
				for g, group := range groups {
					for _, p := range group {
						body, _ := io.ReadAll(p.Reader())
						w, lines := decoded(t, body)
						got = append(got, lines...)
						items, size, requests, metadata = items+p.Items, size+p.Size, requests+1, metadata+len(w.Metadata)
						for _, ts := range w.Timeseries {
							key := labelText(ts.Labels)
							if at, seen := home[key]; seen && at != g {
								t.Errorf("%s is in two groups", key)
							}
							home[key] = g
						}
						if raw, _ := snappy.Decode(nil, body); len(raw) > cfg.MaxBatchSizeBytes {
							t.Errorf("a request of %d bytes", len(raw))
						}
					}
				}
				want := wanted(t, cfg, b)
				if n > 0 { // a warm cache leaves out the target_info that an earlier batch had
					got, want = withoutInfo(got), withoutInfo(want)
				}
				if !slices.Equal(facts(got), want) {
					t.Fatalf("got %d facts, want %d:\n%s\nwant\n%s", len(got), len(want), strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				if items+report.Refused() != b.Items || size > len(b.Request) {
					t.Errorf("%d items sent, %d refused, %d in the batch", items, report.Refused(), b.Items)
				}
				if (requests > 1) != (cfg.MaxBatchSizeBytes < 3000 || cfg.Queue.NumConsumers > 1) {
					t.Errorf("%d requests", requests)
				}
				if want := 6 - min(n, 1); cfg.SendMetadata && metadata < want { // target_info may be left out later
					t.Errorf("%d families", metadata)
				}
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	c := Default()
	c.SendMetadata = true
	e := newEncoder(c)
	for range 2 {
		groups, _, err := e.encode(batch(t, everything(rand.New(rand.NewPCG(1, 2)))))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(groups[0][0].Reader())
		w, _ := decoded(t, body)
		got := map[string]prompb.MetricMetadata{}
		for _, m := range w.Metadata {
			got[m.MetricFamilyName] = m
		}
		if m := got["requests_seconds_total"]; m.Type != prompb.MetricMetadata_COUNTER || m.Help != "help of requests" {
			t.Errorf("%+v", m)
		}
		if m := got["latency"]; m.Type != prompb.MetricMetadata_HISTOGRAM {
			t.Errorf("%+v", m)
		}
		if m := got["quantiles"]; m.Type != prompb.MetricMetadata_SUMMARY {
			t.Errorf("%+v", m)
		}
	}
}

// One attribute of a megabyte that becomes a label of each of many series must not take all memory.
func TestLabelsThatInflateAreRejected(t *testing.T) {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.version", strings.Repeat("x", 1<<20))
	points := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	points.SetName("m")
	for i := range 100 {
		p := points.SetEmptyGauge
		if i > 0 {
			p = points.Gauge
		}
		p().DataPoints().AppendEmpty().Attributes().PutInt("i", int64(i))
	}
	e := newEncoder(Default())
	e.maxArena = 20 << 20
	_, _, err := e.encode(batch(t, md))
	if rej, ok := pipeline.AsRejected(err); !ok || rej.Reason != pipeline.DropTooLarge || rej.Count != 0 {
		t.Errorf("%v", err)
	}
	if cap(e.arena) > keepArena {
		t.Errorf("%d bytes are kept", cap(e.arena))
	}
}

// BenchmarkEncode is a scrape of 1,500 series from a warm cache: the translation, the grouping and snappy.
func BenchmarkEncode(b *testing.B) {
	md := pmetric.NewMetrics()
	ms := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
	ms.Scope().Attributes().PutStr("job", "node")
	ms.Scope().Attributes().PutStr("instance", "host:9100")
	for f := range 150 {
		m := ms.Metrics().AppendEmpty()
		m.SetName(fmt.Sprint("node_family_number_", f))
		m.Metadata().PutStr(prom.TypeKey, "gauge")
		g := m.SetEmptyGauge()
		for i := range 10 {
			p := g.DataPoints().AppendEmpty()
			p.SetTimestamp(1_700_000_000_000_000_000)
			p.SetDoubleValue(float64(i) * 1.5)
			p.Attributes().PutStr("device", fmt.Sprint("eth", i))
			p.Attributes().PutStr("mode", "idle")
		}
	}
	in := batch(b, md)
	e := newEncoder(Default())
	settings, _ := pipelinetest.Settings(b, pipeline.KindExporter, "prometheus_remote_write")
	sender, err := delivery.New(settings, delivery.Options{Queue: delivery.DefaultQueueConfig(), Retry: delivery.DefaultRetryConfig(), MaxInFlight: 1}, taker{e})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := sender.Send(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1500, "ns/sample")
}

// taker takes everything at once.
type taker struct{ e *encoder }

func (k taker) Encode(b pipeline.Batch) (delivery.Requests, error) {
	groups, _, err := k.e.encode(b)
	return delivery.Requests{Groups: groups}, err
}

func (taker) Attempt(context.Context, *payload.Payload) answer.Outcome {
	return answer.Outcome{Code: "200"}
}
