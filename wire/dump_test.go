package wire

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// A dump is everything that a reader can see of a request, as text. It is made twice: here from pdata, in
// dumpwire_test.go from the cursors; the two must agree.
type dump struct{ strings.Builder }

func (d *dump) put(name string, v any) {
	if f, ok := v.(float64); ok {
		v = math.Float64bits(f)
	}
	fmt.Fprintf(d, " %s=%v", name, v)
}

func (d *dump) text(name, v string) { fmt.Fprintf(d, " %s=%q", name, v) }

// id writes an id; pdata does not tell an absent one from one of zeros.
func (d *dump) id(name string, b []byte) {
	if strings.Trim(string(b), "\x00") == "" {
		b = nil
	}
	fmt.Fprintf(d, " %s=%s", name, hex.EncodeToString(b))
}

func dumpPdata(p pdataRequest) string {
	d := &dump{}
	switch p := p.(type) {
	case pmetricotlp.ExportRequest:
		for _, r := range p.Metrics().ResourceMetrics().All() {
			d.resource(r.Resource(), r.SchemaUrl())
			for _, s := range r.ScopeMetrics().All() {
				d.scope(s.Scope(), s.SchemaUrl())
				for _, m := range s.Metrics().All() {
					d.metric(m)
				}
			}
		}
	case plogotlp.ExportRequest:
		for _, r := range p.Logs().ResourceLogs().All() {
			d.resource(r.Resource(), r.SchemaUrl())
			for _, s := range r.ScopeLogs().All() {
				d.scope(s.Scope(), s.SchemaUrl())
				for _, l := range s.LogRecords().All() {
					d.log(l)
				}
			}
		}
	case ptraceotlp.ExportRequest:
		for _, r := range p.Traces().ResourceSpans().All() {
			d.resource(r.Resource(), r.SchemaUrl())
			for _, s := range r.ScopeSpans().All() {
				d.scope(s.Scope(), s.SchemaUrl())
				for _, sp := range s.Spans().All() {
					d.span(sp)
				}
			}
		}
	}
	return d.String()
}

func (d *dump) resource(r pcommon.Resource, schema string) {
	d.text("\nresource", schema)
	d.attrs(r.Attributes())
}

func (d *dump) scope(s pcommon.InstrumentationScope, schema string) {
	d.text("\n scope", schema)
	d.text("name", s.Name())
	d.text("version", s.Version())
	d.put("dropped", s.DroppedAttributesCount())
	d.attrs(s.Attributes())
}

func (d *dump) attrs(m pcommon.Map) {
	d.WriteString("{")
	for k, v := range m.All() {
		d.text("", k)
		d.value(v)
	}
	d.WriteString("}")
}

func (d *dump) value(v pcommon.Value) {
	d.text("text", v.AsString())
	switch v.Type() {
	case pcommon.ValueTypeStr:
		d.text("str", v.Str())
	case pcommon.ValueTypeBool:
		d.put("bool", v.Bool())
	case pcommon.ValueTypeInt:
		d.put("int", v.Int())
	case pcommon.ValueTypeDouble:
		d.put("double", v.Double())
	case pcommon.ValueTypeBytes:
		d.text("bytes", string(v.Bytes().AsRaw()))
	case pcommon.ValueTypeMap:
		d.attrs(v.Map())
	case pcommon.ValueTypeSlice:
		d.WriteString("[")
		for _, e := range v.Slice().All() {
			d.value(e)
		}
		d.WriteString("]")
	}
}

func (d *dump) log(l plog.LogRecord) {
	d.put("\n  log", uint64(l.Timestamp()))
	d.put("observed", uint64(l.ObservedTimestamp()))
	d.put("severity", int32(l.SeverityNumber()))
	d.text("text", l.SeverityText())
	d.text("event", l.EventName())
	d.put("flags", uint32(l.Flags()))
	d.put("dropped", l.DroppedAttributesCount())
	trace, span := l.TraceID(), l.SpanID()
	d.id("trace", trace[:])
	d.id("span", span[:])
	d.value(l.Body())
	d.attrs(l.Attributes())
}

func (d *dump) span(s ptrace.Span) {
	trace, span, parent := s.TraceID(), s.SpanID(), s.ParentSpanID()
	d.id("\n  span", trace[:])
	d.id("id", span[:])
	d.id("parent", parent[:])
	d.text("name", s.Name())
	d.text("state", s.TraceState().AsRaw())
	d.put("kind", int32(s.Kind()))
	d.put("start", uint64(s.StartTimestamp()))
	d.put("end", uint64(s.EndTimestamp()))
	d.put("flags", s.Flags())
	d.put("dropped", []uint32{s.DroppedAttributesCount(), s.DroppedEventsCount(), s.DroppedLinksCount()})
	d.put("status", int32(s.Status().Code()))
	d.text("message", s.Status().Message())
	d.attrs(s.Attributes())
	for _, e := range s.Events().All() {
		d.put("\n   event", uint64(e.Timestamp()))
		d.text("name", e.Name())
		d.put("dropped", e.DroppedAttributesCount())
		d.attrs(e.Attributes())
	}
	for _, l := range s.Links().All() {
		trace, span := l.TraceID(), l.SpanID()
		d.id("\n   link", trace[:])
		d.id("span", span[:])
		d.text("state", l.TraceState().AsRaw())
		d.put("dropped", l.DroppedAttributesCount())
		d.put("flags", l.Flags())
		d.attrs(l.Attributes())
	}
}

func (d *dump) metric(m pmetric.Metric) {
	d.text("\n  metric", m.Name())
	d.text("description", m.Description())
	d.text("unit", m.Unit())
	d.attrs(m.Metadata())
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		d.WriteString(" gauge")
		d.numbers(m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		d.WriteString(" sum")
		d.put("temporality", int32(m.Sum().AggregationTemporality()))
		d.put("monotonic", m.Sum().IsMonotonic())
		d.numbers(m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		d.WriteString(" histogram")
		d.put("temporality", int32(m.Histogram().AggregationTemporality()))
		for _, p := range m.Histogram().DataPoints().All() {
			d.histogram(p)
		}
	case pmetric.MetricTypeExponentialHistogram:
		d.WriteString(" exponential")
		d.put("temporality", int32(m.ExponentialHistogram().AggregationTemporality()))
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			d.exponential(p)
		}
	case pmetric.MetricTypeSummary:
		d.WriteString(" summary")
		for _, p := range m.Summary().DataPoints().All() {
			d.summary(p)
		}
	}
}

// point writes what all points begin with.
func (d *dump) point(start, end pcommon.Timestamp, flags pmetric.DataPointFlags, attrs pcommon.Map) {
	d.put("\n   point", []uint64{uint64(start), uint64(end), uint64(flags)})
	d.attrs(attrs)
}

func (d *dump) numbers(ps pmetric.NumberDataPointSlice) {
	for _, p := range ps.All() {
		d.point(p.StartTimestamp(), p.Timestamp(), p.Flags(), p.Attributes())
		switch p.ValueType() {
		case pmetric.NumberDataPointValueTypeInt:
			d.put("int", p.IntValue())
		case pmetric.NumberDataPointValueTypeDouble:
			d.put("double", p.DoubleValue())
		}
		d.exemplars(p.Exemplars())
	}
}

func (d *dump) exemplars(es pmetric.ExemplarSlice) {
	for _, e := range es.All() {
		d.put("\n    exemplar", uint64(e.Timestamp()))
		switch e.ValueType() {
		case pmetric.ExemplarValueTypeInt:
			d.put("int", e.IntValue())
		case pmetric.ExemplarValueTypeDouble:
			d.put("double", e.DoubleValue())
		}
		trace, span := e.TraceID(), e.SpanID()
		d.id("trace", trace[:])
		d.id("span", span[:])
		d.attrs(e.FilteredAttributes())
	}
}

// optional writes a number that may be unset.
func (d *dump) optional(name string, has bool, v float64) {
	if has {
		d.put(name, v)
	}
}

func (d *dump) histogram(p pmetric.HistogramDataPoint) {
	d.point(p.StartTimestamp(), p.Timestamp(), p.Flags(), p.Attributes())
	d.put("count", p.Count())
	d.optional("sum", p.HasSum(), p.Sum())
	d.optional("min", p.HasMin(), p.Min())
	d.optional("max", p.HasMax(), p.Max())
	for _, c := range p.BucketCounts().All() {
		d.put("bucket", c)
	}
	for _, b := range p.ExplicitBounds().All() {
		d.put("bound", b)
	}
	d.exemplars(p.Exemplars())
}

func (d *dump) exponential(p pmetric.ExponentialHistogramDataPoint) {
	d.point(p.StartTimestamp(), p.Timestamp(), p.Flags(), p.Attributes())
	d.put("count", p.Count())
	d.optional("sum", p.HasSum(), p.Sum())
	d.optional("min", p.HasMin(), p.Min())
	d.optional("max", p.HasMax(), p.Max())
	d.put("scale", p.Scale())
	d.put("zero", p.ZeroCount())
	d.put("threshold", p.ZeroThreshold())
	for _, k := range []pmetric.ExponentialHistogramDataPointBuckets{p.Positive(), p.Negative()} {
		d.put("offset", k.Offset())
		d.put("len", k.BucketCounts().Len())
		for _, c := range k.BucketCounts().All() {
			d.put("bucket", c)
		}
	}
	d.exemplars(p.Exemplars())
}

func (d *dump) summary(p pmetric.SummaryDataPoint) {
	d.point(p.StartTimestamp(), p.Timestamp(), p.Flags(), p.Attributes())
	d.put("count", p.Count())
	d.put("sum", p.Sum())
	for _, q := range p.QuantileValues().All() {
		d.put("quantile", q.Quantile())
		d.put("value", q.Value())
	}
}
