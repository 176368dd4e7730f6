package prom

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// oracle records what Prometheus' own translation appends, in the words of line.
type oracle struct {
	storage.AppenderV2
	lines []string
}

func (o *oracle) Append(_ storage.SeriesRef, ls labels.Labels, st, at int64, v float64, h *histogram.Histogram, _ *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	name := ls.Get(model.MetricNameLabel)
	s := Sample{
		Labels: encodeLabels(ls, func(l labels.Label) string {
			// Accepted difference: bounds and quantiles are written as in a scrape.
			if l.Name == "le" && opts.Metadata.Type == "histogram" && strings.HasSuffix(name, "_bucket") ||
				l.Name == "quantile" && opts.Metadata.Type == "summary" && name == opts.MetricFamilyName {
				f, _ := strconv.ParseFloat(l.Value, 64)
				return formatFloat(f)
			}
			return l.Value
		}),
		Time: at, Start: st, Value: v, Stale: IsStaleNaN(v) || h != nil && IsStaleNaN(h.Sum),
		Family: &Family{Name: opts.MetricFamilyName, Type: string(opts.Metadata.Type), Unit: opts.Metadata.Unit, Help: opts.Metadata.Help},
	}
	for _, x := range opts.Exemplars {
		if s.Stale {
			break // Accepted difference: a series that has ended has no exemplars; the TSDB ignores them too.
		}
		s.Exemplars = append(s.Exemplars, Exemplar{
			Labels: encodeLabels(x.Labels, func(l labels.Label) string { return l.Value }), Value: x.Value, Time: x.Ts,
		})
	}
	if h != nil {
		// Layouts differ, the buckets must not.
		s.Histogram = compact(h)
	}
	o.lines = append(o.lines, line(&s))
	return 0, nil
}

func encodeLabels(ls labels.Labels, value func(labels.Label) string) Labels {
	var set labelSet
	ls.Range(func(l labels.Label) { set.set(l.Name, value(l)) })
	return set.appendTo(nil)
}

// compact brings a histogram to the one layout in which no empty bucket is written.
func compact(h *histogram.Histogram) *Histogram {
	h = h.Copy().Compact(0)
	o := &Histogram{
		Count: h.Count, ZeroCount: h.ZeroCount, Sum: h.Sum, ZeroThreshold: h.ZeroThreshold, Schema: h.Schema,
		PositiveDeltas: h.PositiveBuckets, NegativeDeltas: h.NegativeBuckets,
	}
	for _, s := range h.PositiveSpans {
		o.PositiveSpans = append(o.PositiveSpans, Span{s.Offset, s.Length})
	}
	for _, s := range h.NegativeSpans {
		o.NegativeSpans = append(o.NegativeSpans, Span{s.Offset, s.Length})
	}
	return o
}

func toPrometheus(h *Histogram) *histogram.Histogram {
	o := &histogram.Histogram{
		Count: h.Count, ZeroCount: h.ZeroCount, Sum: h.Sum, ZeroThreshold: h.ZeroThreshold, Schema: h.Schema,
		PositiveBuckets: h.PositiveDeltas, NegativeBuckets: h.NegativeDeltas,
	}
	for _, s := range h.PositiveSpans {
		o.PositiveSpans = append(o.PositiveSpans, histogram.Span{Offset: s.Offset, Length: s.Length})
	}
	for _, s := range h.NegativeSpans {
		o.NegativeSpans = append(o.NegativeSpans, histogram.Span{Offset: s.Offset, Length: s.Length})
	}
	return o
}

// oracleLines translates as Prometheus' OTLP endpoint does with its default configuration.
func oracleLines(md pmetric.Metrics, c Config) []string {
	o := &oracle{}
	otlp := config.DefaultOTLPConfig
	otlp.PromoteResourceAttributes = c.PromoteResourceAttributes
	// Errors concern single metrics, which are then missing.
	_, _ = prometheusremotewrite.NewPrometheusConverter(o).FromMetrics(context.Background(), md, prometheusremotewrite.Settings{
		AddMetricSuffixes:                    otlp.TranslationStrategy.ShouldAddSuffixes(),
		AllowUTF8:                            !otlp.TranslationStrategy.ShouldEscape(),
		PromoteResourceAttributes:            prometheusremotewrite.NewPromoteResourceAttributes(otlp),
		LabelNameUnderscoreSanitization:      otlp.LabelNameUnderscoreSanitization,
		LabelNamePreserveMultipleUnderscores: otlp.LabelNamePreserveMultipleUnderscores,
		DisableTargetInfo:                    !c.TargetInfo,
		ExternalLabels:                       c.ExternalLabels,
	})
	return once(o.lines)
}

// once removes repeated target_info: Prometheus writes it once per label set, we once per resource.
func once(in []string) (out []string) {
	seen := map[string]bool{}
	for _, l := range in {
		if strings.Contains(l, `__name__="target_info"`) {
			if seen[l] {
				continue
			}
			seen[l] = true
		}
		out = append(out, l)
	}
	return out
}

// TestAgainstPrometheus translates generated metrics with us and with Prometheus: same samples in the same order.
func TestAgainstPrometheus(t *testing.T) {
	c := DefaultConfig()
	c.ExternalLabels = map[string]string{"env": "test", "region": "eu"}
	c.CacheBytes = -1 // the slow path, which remembers no target_info from one request to the next
	tr := New(c)
	for seed := range uint64(3000) {
		md := (&generator{Rand: rand.New(rand.NewPCG(seed, 1))}).metrics()
		var got []string
		_, err := tr.Walk(request(t, md), SinkFunc(func(s *Sample) error {
			if s.Histogram != nil {
				s.Histogram = compact(toPrometheus(s.Histogram))
			}
			got = append(got, line(s))
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		compareLines(t, seed, once(got), oracleLines(md, c))
	}
}

func compareLines(t *testing.T, seed uint64, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "(nothing)", "(nothing)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("seed %d, sample %d:\n got %s\nwant %s", seed, i, g, w)
		}
	}
}
