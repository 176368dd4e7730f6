package otlpjson

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/sluiceio/sluice/wire"
)

// oracle is what pdata's marshaler makes of a request.
func oracle(t testing.TB, s wire.Signal, body []byte) []byte {
	t.Helper()
	var out []byte
	var err error
	switch s {
	case wire.Metrics:
		r := pmetricotlp.NewExportRequest()
		if err = r.UnmarshalProto(body); err == nil {
			out, err = r.MarshalJSON()
		}
	case wire.Logs:
		r := plogotlp.NewExportRequest()
		if err = r.UnmarshalProto(body); err == nil {
			out, err = r.MarshalJSON()
		}
	case wire.Traces:
		r := ptraceotlp.NewExportRequest()
		if err = r.UnmarshalProto(body); err == nil {
			out, err = r.MarshalJSON()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// attributes fills every kind of value and every character that JSON escapes.
func attributes(m pcommon.Map) {
	m.PutStr("text", "quote \" backslash \\ slash / newline \n tab \t return \r bell \a del \x7f grüße \u2028 🙂 </script>")
	m.PutStr("empty", "")
	m.PutStr("", "no key")
	m.PutBool("no", false)
	m.PutBool("yes", true)
	m.PutInt("zero", 0)
	m.PutInt("lowest", math.MinInt64)
	for name, f := range map[string]float64{
		"pi": 3.14159, "tiny": 1e-7, "huge": 1e21, "inf": math.Inf(1), "minus": math.Inf(-1), "nan": math.NaN(), "0": 0, "-0": math.Copysign(0, -1),
	} {
		m.PutDouble(name, f)
	}
	m.PutEmptyBytes("bytes").FromRaw([]byte{0, 255, 1})
	m.PutEmptyBytes("no bytes")
	m.PutEmpty("nothing")
	m.PutEmptySlice("no values")
	m.PutEmptyMap("no entries").PutEmptyMap("deep").PutEmptySlice("x").AppendEmpty().SetInt(1)
	v := m.PutEmptySlice("values")
	v.AppendEmpty()
	v.AppendEmpty().SetStr("two")
}

var (
	traceID = pcommon.TraceID{1, 2, 3, 0xff}
	spanID  = pcommon.SpanID{0xab, 0xcd}
)

func logs() []byte {
	d := plog.NewLogs()
	d.ResourceLogs().AppendEmpty()
	rl := d.ResourceLogs().AppendEmpty()
	rl.SetSchemaUrl("https://schema")
	attributes(rl.Resource().Attributes())
	rl.Resource().SetDroppedAttributesCount(3)
	rl.ScopeLogs().AppendEmpty()
	sl := rl.ScopeLogs().AppendEmpty()
	sl.SetSchemaUrl("scope schema")
	sl.Scope().SetName("lib")
	sl.Scope().SetVersion("1.2")
	sl.Scope().SetDroppedAttributesCount(1)
	attributes(sl.Scope().Attributes())
	sl.LogRecords().AppendEmpty()
	for i := range 3 {
		r := sl.LogRecords().AppendEmpty()
		r.SetTimestamp(1)
		r.SetObservedTimestamp(math.MaxUint64)
		r.SetSeverityNumber(plog.SeverityNumberError)
		r.SetSeverityText("ERROR")
		r.SetTraceID(traceID)
		r.SetSpanID(spanID)
		r.SetFlags(1)
		r.SetDroppedAttributesCount(uint32(i))
		r.SetEventName("event")
		attributes(r.Attributes())
		attributes(r.Body().SetEmptyMap())
	}
	b, _ := plogotlp.NewExportRequestFromLogs(d).MarshalProto()
	return b
}

func metrics() []byte {
	d := pmetric.NewMetrics()
	ms := d.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	ms.AppendEmpty()
	points := func(to pmetric.NumberDataPointSlice) {
		to.AppendEmpty()
		for i := range 3 {
			p := to.AppendEmpty()
			p.SetStartTimestamp(1)
			p.SetTimestamp(2)
			p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
			if p.SetIntValue(int64(-i)); i == 1 {
				p.SetDoubleValue(0)
			}
			attributes(p.Attributes())
			e := p.Exemplars().AppendEmpty()
			e.SetTimestamp(3)
			e.SetDoubleValue(4)
			e.SetTraceID(traceID)
			e.SetSpanID(spanID)
			attributes(e.FilteredAttributes())
			p.Exemplars().AppendEmpty().SetIntValue(0)
			p.Exemplars().AppendEmpty()
		}
	}
	g := ms.AppendEmpty()
	g.SetName("gauge")
	g.SetDescription("what")
	g.SetUnit("By")
	attributes(g.Metadata())
	points(g.SetEmptyGauge().DataPoints())
	s := ms.AppendEmpty().SetEmptySum()
	s.SetIsMonotonic(true)
	s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	points(s.DataPoints())
	ms.AppendEmpty().SetEmptySum()
	h := ms.AppendEmpty().SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	h.DataPoints().AppendEmpty()
	hp := h.DataPoints().AppendEmpty()
	hp.SetCount(7)
	hp.SetSum(0)
	hp.SetMin(-1.5)
	hp.SetMax(0)
	hp.BucketCounts().FromRaw([]uint64{0, math.MaxUint64})
	hp.ExplicitBounds().FromRaw([]float64{math.Inf(-1)})
	hp.Exemplars().AppendEmpty()
	attributes(hp.Attributes())
	x := ms.AppendEmpty().SetEmptyExponentialHistogram()
	x.DataPoints().AppendEmpty()
	xp := x.DataPoints().AppendEmpty()
	xp.SetCount(7)
	xp.SetScale(-3)
	xp.SetZeroCount(2)
	xp.SetZeroThreshold(0.5)
	xp.SetSum(1)
	xp.SetMin(0)
	xp.SetMax(2)
	xp.Positive().SetOffset(-9)
	xp.Positive().BucketCounts().FromRaw([]uint64{1, 300, math.MaxUint64})
	xp.Negative().BucketCounts().FromRaw([]uint64{0})
	xp.Exemplars().AppendEmpty()
	u := ms.AppendEmpty().SetEmptySummary()
	up := u.DataPoints().AppendEmpty()
	up.SetCount(1)
	up.SetSum(2)
	up.QuantileValues().AppendEmpty()
	q := up.QuantileValues().AppendEmpty()
	q.SetQuantile(0.99)
	q.SetValue(math.NaN())
	b, _ := pmetricotlp.NewExportRequestFromMetrics(d).MarshalProto()
	return b
}

func traces() []byte {
	d := ptrace.NewTraces()
	spans := d.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	spans.AppendEmpty()
	s := spans.AppendEmpty()
	s.SetTraceID(traceID)
	s.SetSpanID(spanID)
	s.SetParentSpanID(spanID)
	s.TraceState().FromRaw("a=b")
	s.SetFlags(0x101)
	s.SetName("GET /")
	s.SetKind(ptrace.SpanKindServer)
	s.SetStartTimestamp(1)
	s.SetEndTimestamp(2)
	attributes(s.Attributes())
	s.SetDroppedAttributesCount(1)
	s.SetDroppedEventsCount(2)
	s.SetDroppedLinksCount(3)
	s.Events().AppendEmpty()
	e := s.Events().AppendEmpty()
	e.SetName("exception")
	e.SetTimestamp(4)
	e.SetDroppedAttributesCount(5)
	attributes(e.Attributes())
	s.Links().AppendEmpty()
	l := s.Links().AppendEmpty()
	l.SetTraceID(traceID)
	l.SetSpanID(spanID)
	l.TraceState().FromRaw("c=d")
	l.SetFlags(1)
	l.SetDroppedAttributesCount(6)
	attributes(l.Attributes())
	s.Status().SetCode(ptrace.StatusCodeError)
	s.Status().SetMessage("boom")
	b, _ := ptraceotlp.NewExportRequestFromTraces(d).MarshalProto()
	return b
}

func TestJSONIsWhatPdataWrites(t *testing.T) {
	for s, body := range map[wire.Signal][]byte{wire.Metrics: metrics(), wire.Logs: logs(), wire.Traces: traces()} {
		for _, body := range [][]byte{body, nil} {
			r, _, err := wire.Check(s, body, wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got, want := Append(nil, s, r), oracle(t, s, r)
			if string(got) != string(want) {
				t.Errorf("%s:\n%s\nwant\n%s", s, got, want)
			}
			if !json.Valid(got) {
				t.Errorf("%s is not JSON", s)
			}
		}
	}
}

// TestPieces together are the whole, and none is much larger than its bound.
func TestPieces(t *testing.T) {
	record := wire.AppendBytes(nil, 2, nil) // an empty span
	spans := wire.AppendBytes(nil, 2, bytes.Repeat(record, 300_000))
	body := append(traces(), wire.AppendBytes(nil, 1, append(spans, spans...))...)
	r, _, err := wire.Check(wire.Traces, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	pieces := 0
	last := AppendPieces(nil, wire.Traces, r, func(b []byte) []byte {
		if pieces++; len(b) > PieceBytes+1<<10 {
			t.Errorf("a piece of %d bytes", len(b))
		}
		got = append(got, b...)
		return b[:0]
	})
	got = append(got, last...)
	if want := Append(nil, wire.Traces, r); !bytes.Equal(got, want) || pieces < 2 || Size(wire.Traces, r) != len(want) {
		t.Errorf("%d bytes in %d pieces, want %d, said %d; a request of %d", len(got), pieces, len(want), Size(wire.Traces, r), len(body))
	}
}

// Every body that is taken becomes the JSON that pdata makes of it.
func FuzzJSON(f *testing.F) {
	f.Add(uint8(wire.Metrics), metrics())
	f.Add(uint8(wire.Logs), logs())
	f.Add(uint8(wire.Traces), traces())
	f.Add(uint8(wire.Logs), []byte{0x0a, 0x04, 0xc2, 0x3e, 0x01, 0x00}) // a field of the year before
	f.Fuzz(func(t *testing.T, s uint8, body []byte) {
		signal := wire.Metrics + wire.Signal(s%3)
		r, _, err := wire.Check(signal, body, wire.Limits{})
		if err != nil {
			return
		}
		if got, want := Append(nil, signal, r), oracle(t, signal, r); string(got) != string(want) {
			t.Errorf("%s %x:\n%s\nwant\n%s", signal, body, got, want)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	r, _, err := wire.Check(wire.Logs, logs(), wire.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = Append(dst[:0], wire.Logs, r)
	}
	b.SetBytes(int64(len(dst)))
}
