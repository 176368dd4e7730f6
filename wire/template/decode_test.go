package template

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/prom"
)

// point is one sample of one Prometheus series.
type point struct {
	series string
	ms     int64
	bits   uint64
}

func (p point) String() string {
	v := fmt.Sprint(math.Float64frombits(p.bits))
	if p.bits == value.StaleNaN {
		v = "stale"
	}
	return fmt.Sprintf("%s %s @%d", p.series, v, p.ms)
}

// decode reads a request as the series that a Prometheus reader makes of it. It fails on bytes that our
// own pipeline would refuse or change.
func decode(t testing.TB, request []byte) []point {
	t.Helper()
	checked, info, err := wire.Check(wire.Metrics, request, wire.Limits{})
	if err != nil || info.Canonicalized || info.RepairedStrings > 0 {
		t.Fatalf("request is not canonical: %v %+v", err, info)
	}
	_ = checked
	req := pmetricotlp.NewExportRequest()
	if err := req.UnmarshalProto(request); err != nil {
		t.Fatalf("pdata refuses the request: %v", err)
	}
	var d decoder
	rms := req.Metrics().ResourceMetrics()
	for i := range rms.Len() {
		for j := range rms.At(i).ScopeMetrics().Len() {
			sm := rms.At(i).ScopeMetrics().At(j)
			d.base = attributes(sm.Scope().Attributes())
			for k := range sm.Metrics().Len() {
				d.metric(sm.Metrics().At(k))
			}
		}
	}
	if d.items != wire.Count(wire.Metrics, wire.Request(request)) {
		t.Fatalf("wire counts %d items, pdata %d", wire.Count(wire.Metrics, wire.Request(request)), d.items)
	}
	if gap := diff(translate(t, request), d.points); gap != "" {
		t.Fatalf("wire/prom reads other series (+) than pdata (-) in the request:\n%s", gap)
	}
	return d.points
}

// translate reads a request as the store and the remote-write exporter do.
func translate(t testing.TB, request []byte) (points []point) {
	tr := prom.New(prom.DefaultConfig())
	report, err := tr.Walk(wire.Request(request), prom.SinkFunc(func(s *prom.Sample) error {
		l := map[string]string{}
		for c := s.Labels.Cursor(); c.Next(); {
			l[string(c.Name)] = string(c.Value)
		}
		points = append(points, point{labels.FromMap(l).String(), s.Time, math.Float64bits(s.Value)})
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	_ = report
	return points
}

type decoder struct {
	base   map[string]string
	points []point
	items  int
}

func attributes(m pcommon.Map) map[string]string {
	out := map[string]string{}
	for k, v := range m.All() {
		out[k] = v.Str()
	}
	return out
}

func (d *decoder) add(name string, attrs pcommon.Map, ts pcommon.Timestamp, bits uint64, extra ...string) {
	l := map[string]string{}
	for k, v := range d.base {
		l[k] = v
	}
	for k, v := range attributes(attrs) {
		l[k] = v
	}
	for i := 0; i < len(extra); i += 2 {
		l[extra[i]] = extra[i+1]
	}
	l["__name__"] = name
	for k, v := range l {
		if v == "" {
			delete(l, k)
		}
	}
	d.points = append(d.points, point{labels.FromMap(l).String(), int64(ts) / 1e6, bits})
}

func (d *decoder) metric(m pmetric.Metric) {
	typ, _ := m.Metadata().Get("prometheus.type")
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		d.numbers(m.Name(), m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		d.numbers(m.Name(), m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		for i := range m.Histogram().DataPoints().Len() {
			d.items++
			p := m.Histogram().DataPoints().At(i)
			stale := p.Flags().NoRecordedValue()
			v := func(f float64) uint64 {
				if stale {
					return value.StaleNaN
				}
				return math.Float64bits(f)
			}
			d.add(m.Name()+"_count", p.Attributes(), p.Timestamp(), v(float64(p.Count())))
			d.add(m.Name()+"_sum", p.Attributes(), p.Timestamp(), v(p.Sum()))
			var cum uint64
			for b := range p.BucketCounts().Len() {
				cum += p.BucketCounts().At(b)
				le := math.Inf(1)
				if b < p.ExplicitBounds().Len() {
					le = p.ExplicitBounds().At(b)
				}
				d.add(m.Name()+"_bucket", p.Attributes(), p.Timestamp(), v(float64(cum)), "le", labels.FormatOpenMetricsFloat(le))
			}
		}
	case pmetric.MetricTypeSummary:
		for i := range m.Summary().DataPoints().Len() {
			d.items++
			p := m.Summary().DataPoints().At(i)
			stale := p.Flags().NoRecordedValue()
			v := func(f float64) uint64 {
				if stale {
					return value.StaleNaN
				}
				return math.Float64bits(f)
			}
			d.add(m.Name()+"_count", p.Attributes(), p.Timestamp(), v(float64(p.Count())))
			d.add(m.Name()+"_sum", p.Attributes(), p.Timestamp(), v(p.Sum()))
			for q := range p.QuantileValues().Len() {
				qv := p.QuantileValues().At(q)
				d.add(m.Name(), p.Attributes(), p.Timestamp(), v(qv.Value()), "quantile", labels.FormatOpenMetricsFloat(qv.Quantile()))
			}
		}
	default:
		panic("metric " + m.Name() + " has no data")
	}
	if typ.Str() == "" {
		panic("metric " + m.Name() + " has no prometheus.type")
	}
}

func (d *decoder) numbers(name string, ps pmetric.NumberDataPointSlice) {
	for i := range ps.Len() {
		d.items++
		p := ps.At(i)
		bits := math.Float64bits(p.DoubleValue())
		if p.Flags().NoRecordedValue() {
			bits = value.StaleNaN
		}
		d.add(name, p.Attributes(), p.Timestamp(), bits)
	}
}

// canonical sorts samples and keeps of several at one time of one series the first, as a TSDB does.
func canonical(ps []point) []point {
	type key struct {
		series string
		ms     int64
	}
	seen := map[key]bool{}
	var out []point
	for _, p := range ps {
		k := key{p.series, p.ms}
		if seen[k] {
			continue
		}
		seen[k] = true
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].series != out[j].series {
			return out[i].series < out[j].series
		}
		return out[i].ms < out[j].ms
	})
	return out
}

// diff describes how two sets of samples differ, or is empty.
func diff(got, want []point) string {
	g, w := map[string]bool{}, map[string]bool{}
	for _, p := range canonical(got) {
		g[p.String()+fmt.Sprintf(" %x", p.bits)] = true
	}
	for _, p := range canonical(want) {
		w[p.String()+fmt.Sprintf(" %x", p.bits)] = true
	}
	var lines []string
	for p := range g {
		if !w[p] {
			lines = append(lines, "+ "+p)
		}
	}
	for p := range w {
		if !g[p] {
			lines = append(lines, "- "+p)
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
