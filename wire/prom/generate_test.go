package prom

import (
	"math"
	"math/rand/v2"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// generator makes metrics that look like what SDKs send, and like what they should not send.
type generator struct {
	*rand.Rand
	verbatim bool // some metrics carry prometheus.type
	temporal bool // some have a temporality that is refused
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// keys collide after translation, sort differently before and after it, and meet the labels that have a meaning.
func (g *generator) key() string {
	return pick(g, "a.b", "a_b", "a-b", "a b", "method", "http.method", "code", "_x", "__x", "__res__", "1st", "job",
		"instance", "le", "quantile", "service.name", "service.version", "k8s.pod.name", "host.name", "Zone", "ünï", "__name__",
		"a__b", "otel_scope_name", "env")
}

func (g *generator) value(v pcommon.Value) {
	switch g.IntN(9) {
	case 0:
		v.SetInt(g.Int64N(5))
	case 1:
		v.SetDouble(pick(g, 0.5, 1, math.NaN(), 1e300))
	case 2:
		v.SetBool(g.IntN(2) == 0)
	case 3:
		v.SetStr("")
	case 4:
		v.SetEmptySlice().AppendEmpty().SetStr("in")
	case 5:
		v.SetEmptyMap().PutInt("k", 1)
	case 6:
		v.SetEmptyBytes().FromRaw([]byte{1, 2})
	case 7:
		v.SetStr(strings.Repeat("long", g.IntN(60)))
	default:
		v.SetStr(pick(g, "GET", "POST", "200", "x;y", "ä"))
	}
}

func (g *generator) attributes(m pcommon.Map, most int) {
	for range g.IntN(most + 1) {
		g.value(m.PutEmpty(g.key()))
	}
}

const day = int64(1_700_000_000_000)

func (g *generator) at() pcommon.Timestamp {
	return pcommon.Timestamp(ms(day+g.Int64N(4)*15_000) + uint64(g.IntN(1000)))
}

func (g *generator) metrics() pmetric.Metrics {
	md := pmetric.NewMetrics()
	for range 1 + g.IntN(3) {
		rm := md.ResourceMetrics().AppendEmpty()
		g.attributes(rm.Resource().Attributes(), 5)
		if g.IntN(4) > 0 {
			rm.Resource().Attributes().PutStr("service.name", pick(g, "shop", "cart"))
		}
		if g.IntN(3) > 0 {
			rm.Resource().Attributes().PutStr("service.instance.id", pick(g, "a", "b"))
		}
		if g.IntN(3) == 0 {
			rm.Resource().Attributes().PutStr("service.namespace", "ns")
		}
		for range 1 + g.IntN(2) {
			sm := rm.ScopeMetrics().AppendEmpty()
			sm.Scope().SetName("scope")
			sm.Scope().Attributes().PutStr("job", pick(g, "node", "kubelet", ""))
			if g.IntN(2) == 0 {
				sm.Scope().Attributes().PutStr("instance", "h:1")
			}
			for range g.IntN(6) {
				g.metric(sm.Metrics().AppendEmpty())
			}
		}
	}
	return md
}

func (g *generator) metric(m pmetric.Metric) {
	m.SetName(pick(g, "http.server.duration", "requests", "requests_total", "mem usage", "1up", "temp", "ratio", "a..b", "up:x"))
	m.SetUnit(pick(g, "", "s", "ms", "By", "1", "{req}", "By/s", "m/s", "°C"))
	m.SetDescription(pick(g, "", "what it is"))
	if g.verbatim && g.IntN(2) == 0 {
		m.Metadata().PutStr("prometheus.type", pick(g, "counter", "gauge", "unknown"))
	}
	temporality := pmetric.AggregationTemporalityCumulative
	if g.temporal && g.IntN(3) == 0 {
		temporality = pick(g, pmetric.AggregationTemporalityDelta, pmetric.AggregationTemporalityUnspecified)
	}
	switch g.IntN(5) {
	case 0:
		g.numbers(m.SetEmptyGauge().DataPoints(), false)
	case 1:
		s := m.SetEmptySum()
		s.SetAggregationTemporality(temporality)
		s.SetIsMonotonic(g.IntN(3) > 0)
		g.numbers(s.DataPoints(), true)
	case 2:
		h := m.SetEmptyHistogram()
		h.SetAggregationTemporality(temporality)
		for range 1 + g.IntN(3) {
			g.histogram(h.DataPoints().AppendEmpty())
		}
	case 3:
		h := m.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(temporality)
		for range 1 + g.IntN(3) {
			g.exponential(h.DataPoints().AppendEmpty())
		}
	case 4:
		for range 1 + g.IntN(3) {
			g.summary(m.SetEmptySummary().DataPoints().AppendEmpty())
		}
	}
}

func (g *generator) flags() (f pmetric.DataPointFlags) {
	return f.WithNoRecordedValue(g.IntN(5) == 0)
}

func (g *generator) numbers(ps pmetric.NumberDataPointSlice, exemplars bool) {
	for range 1 + g.IntN(4) {
		p := ps.AppendEmpty()
		g.attributes(p.Attributes(), 5)
		p.SetTimestamp(g.at())
		if g.IntN(2) == 0 {
			p.SetStartTimestamp(pcommon.Timestamp(ms(day - 60_000)))
		}
		p.SetFlags(g.flags())
		switch g.IntN(5) {
		case 0:
		case 1:
			p.SetIntValue(g.Int64N(1 << 60))
		default:
			p.SetDoubleValue(g.NormFloat64())
		}
		if exemplars && g.IntN(3) == 0 && !p.Flags().NoRecordedValue() {
			g.exemplar(p.Exemplars().AppendEmpty(), g.Float64())
		}
	}
}

func (g *generator) exemplar(e pmetric.Exemplar, v float64) {
	e.SetTimestamp(pcommon.Timestamp(ms(day)))
	if g.IntN(2) == 0 {
		e.SetDoubleValue(v)
	} else {
		e.SetIntValue(int64(v))
	}
	if g.IntN(2) == 0 {
		e.SetTraceID([16]byte{1, 2, 3})
		e.SetSpanID([8]byte{4, 5})
	}
	if g.IntN(2) == 0 {
		e.FilteredAttributes().PutStr("user", strings.Repeat("u", 1+g.IntN(200)))
	}
}

func (g *generator) histogram(p pmetric.HistogramDataPoint) {
	g.attributes(p.Attributes(), 3)
	p.SetTimestamp(g.at())
	p.SetFlags(g.flags())
	bounds := pick(g, nil, []float64{1, 2.5, 10}, []float64{1e-05, 0.005, 100}, []float64{5})
	p.ExplicitBounds().FromRaw(bounds)
	if len(bounds) > 0 || g.IntN(2) == 0 {
		for range len(bounds) + 1 {
			n := g.Uint64N(5)
			p.BucketCounts().Append(n)
			p.SetCount(p.Count() + n)
		}
	}
	if g.IntN(4) > 0 {
		p.SetSum(g.NormFloat64())
	}
	if g.IntN(2) == 0 && !p.Flags().NoRecordedValue() {
		for _, v := range []float64{0.001, 1, 3, 200} {
			g.exemplar(p.Exemplars().AppendEmpty(), v)
		}
	}
}

func (g *generator) exponential(p pmetric.ExponentialHistogramDataPoint) {
	g.attributes(p.Attributes(), 3)
	p.SetTimestamp(g.at())
	p.SetFlags(g.flags())
	p.SetScale(int32(g.IntN(13) - 4))
	p.SetZeroCount(g.Uint64N(4))
	p.SetCount(p.ZeroCount())
	for _, side := range []pmetric.ExponentialHistogramDataPointBuckets{p.Positive(), p.Negative()} {
		side.SetOffset(int32(g.IntN(20) - 10))
		for range g.IntN(12) {
			n := pick(g, 0, 0, 1, 7)
			side.BucketCounts().Append(uint64(n))
			p.SetCount(p.Count() + uint64(n))
		}
	}
	if g.IntN(4) > 0 {
		p.SetSum(float64(g.IntN(10)))
	}
}

func (g *generator) summary(p pmetric.SummaryDataPoint) {
	g.attributes(p.Attributes(), 3)
	p.SetTimestamp(g.at())
	p.SetFlags(g.flags())
	p.SetCount(g.Uint64N(9))
	p.SetSum(g.NormFloat64())
	for _, q := range []float64{0, 0.5, 0.99, 1}[:g.IntN(5)] {
		v := p.QuantileValues().AppendEmpty()
		v.SetQuantile(q)
		v.SetValue(g.NormFloat64())
	}
}
