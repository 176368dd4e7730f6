package oracle

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/sluiceio/sluice/wire"
)

// attributes has every kind of value.
func attributes(m pcommon.Map, i int) {
	m.PutStr("str", []string{"GET /api/v1/users?id=42", "", "héllo wörld", "token=abc token=def"}[i%4])
	m.PutStr("service.name", []string{"shop", "cart", "shop-api"}[i%3])
	m.PutInt("int", int64(i*200))
	if i%2 == 0 {
		m.PutDouble("double", 1.5*float64(i))
		m.PutBool("bool", i%4 == 0)
		m.PutStr("json", `{"a": 1, "b": {"c": ["x", 2.5, null, true]}, "a": 3, "d\n": "é\u00e9"}`)
	}
	m.PutEmptyBytes("bytes").FromRaw([]byte{1, 2, 254})
	in := m.PutEmptyMap("map")
	in.PutStr("k1", "v1")
	in.PutInt("k2", int64(i))
	in.PutEmptyMap("deep").PutStr("x", "<y> & z")
	list := m.PutEmptySlice("list")
	list.AppendEmpty().SetStr("one")
	list.AppendEmpty().SetInt(2)
	m.PutEmpty("empty")
	m.PutStr("kv", []string{"a=1 b=2 c='x y'", "a=1 b", `k="v`}[i%3])
	m.PutStr("time", "2024-02-03T04:05:06.789Z")
	m.PutStr("secret.key", "s3cret")
	m.PutStr("secret.other", "hidden")
	m.PutStr("number", []string{"12", "12.5", "x"}[i%3])
}

func resource(r pcommon.Resource, i int) {
	if i == 2 {
		return
	}
	attributes(r.Attributes(), i)
	r.SetDroppedAttributesCount(uint32(i))
}

func logs(t *testing.T) telemetry {
	t.Helper()
	ld := plog.NewLogs()
	n := 0
	for i := range 3 {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.SetSchemaUrl("https://resource")
		resource(rl.Resource(), i)
		for j := range 2 {
			sl := rl.ScopeLogs().AppendEmpty()
			sl.Scope().SetName([]string{"lib", "other"}[j])
			sl.Scope().SetVersion("1.2.3")
			sl.Scope().Attributes().PutStr("scope.key", "v")
			for k := range 9 {
				l := sl.LogRecords().AppendEmpty()
				l.SetTimestamp(pcommon.Timestamp(1700000000000000000 + n))
				l.SetObservedTimestamp(pcommon.Timestamp(1700000001000000000 + n))
				l.SetSeverityNumber(plog.SeverityNumber(4 * k % 25))
				l.SetSeverityText([]string{"INFO", "error", ""}[k%3])
				switch k {
				case 0:
					l.Body().SetStr("GET /healthz 200 from 10.0.0.1")
				case 1:
					l.Body().SetStr(`{"level":"error","msg":"boom","code":500,"nested":{"a":[1,2]}}`)
				case 2:
					l.Body().SetEmptyMap().PutStr("msg", "in a map")
					l.Body().Map().PutEmptyMap("in").PutInt("n", 3)
				case 3:
					l.Body().SetEmptySlice().AppendEmpty().SetStr("first")
				case 4:
					l.Body().SetInt(42)
				case 5:
					l.Body().SetStr("password=hunter2 password=x")
				case 6:
					l.Body().SetDouble(2.75)
				case 7:
					l.Body().SetStr("")
				}
				attributes(l.Attributes(), n)
				if k%2 == 0 {
					l.SetTraceID(pcommon.TraceID{1, 2, 3, byte(n)})
					l.SetSpanID(pcommon.SpanID{9, byte(n)})
				}
				l.SetFlags(plog.LogRecordFlags(k % 2))
				l.SetDroppedAttributesCount(uint32(k))
				l.SetEventName([]string{"", "event"}[k%2])
				n++
			}
		}
	}
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	return checked(t, wire.Logs, b, err, n)
}

func checked(t *testing.T, s wire.Signal, b []byte, err error, items int) telemetry {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r, info, err := wire.Check(s, b, wire.Limits{})
	if err != nil || info.Items != items {
		t.Fatalf("%d items, want %d: %v", info.Items, items, err)
	}
	return telemetry{s, r, items}
}

func traces(t *testing.T) telemetry {
	t.Helper()
	td := ptrace.NewTraces()
	n := 0
	for i := range 3 {
		rs := td.ResourceSpans().AppendEmpty()
		resource(rs.Resource(), i)
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("lib")
		for k := range 8 {
			s := ss.Spans().AppendEmpty()
			s.SetTraceID(pcommon.TraceID{7, byte(n)})
			s.SetSpanID(pcommon.SpanID{8, byte(n)})
			if k%2 == 1 {
				s.SetParentSpanID(pcommon.SpanID{8, byte(n - 1)})
			}
			s.SetName([]string{"GET /users/42", "SELECT", "health"}[k%3])
			s.SetKind(ptrace.SpanKind(k % 6))
			s.SetStartTimestamp(pcommon.Timestamp(1700000000000000000 + n))
			s.SetEndTimestamp(pcommon.Timestamp(1700000000500000000 + n*1000))
			s.Status().SetCode(ptrace.StatusCode(k % 3))
			if k%3 == 2 {
				s.Status().SetMessage("failed")
			}
			s.TraceState().FromRaw("a=b")
			attributes(s.Attributes(), n)
			for e := range k % 4 {
				ev := s.Events().AppendEmpty()
				ev.SetName([]string{"exception", "log"}[e%2])
				ev.SetTimestamp(pcommon.Timestamp(1700000000100000000 + n))
				attributes(ev.Attributes(), e)
			}
			s.Links().AppendEmpty().SetTraceID(pcommon.TraceID{5})
			n++
		}
	}
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	return checked(t, wire.Traces, b, err, n)
}

func metrics(t *testing.T) telemetry {
	t.Helper()
	md := pmetric.NewMetrics()
	n := 0
	for i := range 3 {
		rm := md.ResourceMetrics().AppendEmpty()
		resource(rm.Resource(), i)
		sm := rm.ScopeMetrics().AppendEmpty()
		sm.Scope().SetName("lib")
		for k := range 6 {
			m := sm.Metrics().AppendEmpty()
			m.SetName([]string{"http.requests", "cpu_usage", "latency"}[k%3])
			m.SetDescription("what it is")
			m.SetUnit("1")
			m.Metadata().PutStr("prometheus.type", "counter")
			switch k % 5 {
			case 0:
				s := m.SetEmptySum()
				s.SetIsMonotonic(k == 0)
				s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
				for range 3 {
					dp := s.DataPoints().AppendEmpty()
					dp.SetIntValue(int64(n))
					point(dp, n)
					n++
				}
			case 1:
				for range 3 {
					dp := m.SetEmptyGauge().DataPoints().AppendEmpty()
					dp.SetDoubleValue(float64(n) / 2)
					point(dp, n)
				}
				n++
			case 2:
				h := m.SetEmptyHistogram()
				h.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
				dp := h.DataPoints().AppendEmpty()
				dp.SetCount(uint64(n))
				dp.SetSum(3.5)
				dp.BucketCounts().FromRaw([]uint64{1, 2})
				dp.ExplicitBounds().FromRaw([]float64{5})
				point(dp, n)
				n++
			case 3:
				h := m.SetEmptyExponentialHistogram()
				h.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
				dp := h.DataPoints().AppendEmpty()
				dp.SetCount(uint64(n))
				dp.SetSum(4.5)
				point(dp, n)
				n++
			case 4:
				dp := m.SetEmptySummary().DataPoints().AppendEmpty()
				dp.SetCount(uint64(n))
				dp.SetSum(5.5)
				point(dp, n)
				n++
			}
		}
	}
	b, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	return checked(t, wire.Metrics, b, err, n)
}

func point(p interface {
	SetStartTimestamp(pcommon.Timestamp)
	SetTimestamp(pcommon.Timestamp)
	Attributes() pcommon.Map
}, n int) {
	p.SetStartTimestamp(1700000000000000000)
	p.SetTimestamp(pcommon.Timestamp(1700000000000000000 + n))
	attributes(p.Attributes(), n)
}
