package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/protobuf/proto"
)

// benchAttributes puts n attributes of usual sizes.
func benchAttributes(m pcommon.Map, n, i int) {
	for k, key := range []string{"http.request.method", "url.path", "k8s.pod.name", "http.response.status_code",
		"client.address", "user_agent.original"}[:n] {
		switch k {
		case 3:
			m.PutInt(key, int64(200+i%300))
		case 1:
			m.PutStr(key, fmt.Sprintf("/api/v1/orders/%d", i))
		default:
			m.PutStr(key, fmt.Sprintf("%s-%04d", key[:8], i%1000))
		}
	}
}

func benchResource(r pcommon.Resource, i int) {
	r.Attributes().PutStr("service.name", fmt.Sprint("checkout-", i))
	r.Attributes().PutStr("k8s.namespace.name", "shop")
	r.Attributes().PutStr("host.name", "node-17.eu-central-1.example.com")
}

// benchLogs returns 1,000 records of about 344 bytes with 6 attributes in 10 resources.
func benchLogs(t testing.TB) Request {
	ld := plog.NewLogs()
	for i := range 10 {
		rl := ld.ResourceLogs().AppendEmpty()
		benchResource(rl.Resource(), i)
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName("example.com/checkout")
		for k := range 100 {
			l := sl.LogRecords().AppendEmpty()
			l.SetTimestamp(pcommon.Timestamp(1.7e18 + k))
			l.SetObservedTimestamp(pcommon.Timestamp(1.7e18 + k))
			l.SetSeverityNumber(plog.SeverityNumberInfo)
			l.SetSeverityText("INFO")
			l.Body().SetStr(fmt.Sprintf("order %d accepted, handed to shipping after %d ms", i*100+k, k))
			l.SetTraceID(pcommon.TraceID([]byte("0123456789abcdef")))
			l.SetSpanID(pcommon.SpanID([]byte("01234567")))
			benchAttributes(l.Attributes(), 6, k)
		}
	}
	return benchRequest(t, Logs, plogotlp.NewExportRequestFromLogs(ld))
}

// benchMetrics returns 10,000 number points with 5 attributes in 100 metrics.
func benchMetrics(t testing.TB) Request {
	md := pmetric.NewMetrics()
	for i := range 10 {
		rm := md.ResourceMetrics().AppendEmpty()
		benchResource(rm.Resource(), i)
		sm := rm.ScopeMetrics().AppendEmpty()
		sm.Scope().SetName("example.com/checkout")
		for k := range 10 {
			m := sm.Metrics().AppendEmpty()
			m.SetName(fmt.Sprint("http.server.request.count.", k))
			m.SetUnit("1")
			sum := m.SetEmptySum()
			sum.SetIsMonotonic(true)
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			for n := range 100 {
				p := sum.DataPoints().AppendEmpty()
				p.SetStartTimestamp(1.7e18)
				p.SetTimestamp(pcommon.Timestamp(1.7e18 + n))
				p.SetDoubleValue(float64(n * k))
				benchAttributes(p.Attributes(), 5, n)
			}
		}
	}
	return benchRequest(t, Metrics, pmetricotlp.NewExportRequestFromMetrics(md))
}

// benchTraces returns 1,000 spans with 6 attributes, an event and a link each.
func benchTraces(t testing.TB) Request {
	td := ptrace.NewTraces()
	for i := range 10 {
		rs := td.ResourceSpans().AppendEmpty()
		benchResource(rs.Resource(), i)
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("example.com/checkout")
		for k := range 100 {
			s := ss.Spans().AppendEmpty()
			s.SetTraceID(pcommon.TraceID([]byte("0123456789abcdef")))
			s.SetSpanID(pcommon.SpanID([]byte("01234567")))
			s.SetParentSpanID(pcommon.SpanID([]byte("76543210")))
			s.SetName("POST /api/v1/orders")
			s.SetKind(ptrace.SpanKindServer)
			s.SetStartTimestamp(pcommon.Timestamp(1.7e18 + k))
			s.SetEndTimestamp(pcommon.Timestamp(1.7e18 + k + 1000))
			s.SetFlags(257)
			s.Status().SetCode(ptrace.StatusCodeOk)
			benchAttributes(s.Attributes(), 6, k)
			e := s.Events().AppendEmpty()
			e.SetName("order.stored")
			e.SetTimestamp(pcommon.Timestamp(1.7e18 + k))
			e.Attributes().PutStr("db.system", "postgresql")
			l := s.Links().AppendEmpty()
			l.SetTraceID(pcommon.TraceID([]byte("0123456789abcdef")))
			l.SetSpanID(pcommon.SpanID([]byte("89abcdef")))
		}
	}
	return benchRequest(t, Traces, ptraceotlp.NewExportRequestFromTraces(td))
}

// benchRequest encodes as SDKs do, fields in ascending order. pdata writes them in descending order.
func benchRequest(t testing.TB, s Signal, p pdataRequest) Request {
	m := newProto(s)
	if err := proto.Unmarshal(marshal(t, p), m); err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return mustCheck(t, s, b)
}

// benchEach runs f over the request of each signal, of logs also as pdata encodes it, and reports time and size per
// item.
func benchEach(b *testing.B, f func(b *testing.B, s Signal, r Request)) {
	benchRepeated(b, 1, f)
}

// benchBulk is benchEach for requests of 10,000 items.
func benchBulk(b *testing.B, f func(b *testing.B, s Signal, r Request)) {
	benchRepeated(b, 10, f)
}

// benchRepeated repeats the 1,000 log records or spans of a request.
func benchRepeated(b *testing.B, times int, f func(b *testing.B, s Signal, r Request)) {
	logs := Request(bytes.Repeat(benchLogs(b), times))
	p := newPdata(Logs)
	if err := p.UnmarshalProto(logs); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		signal  Signal
		request Request
	}{
		{"metrics", Metrics, benchMetrics(b)},
		{"logs", Logs, logs},
		{"logs from pdata", Logs, marshal(b, p)},
		{"traces", Traces, bytes.Repeat(benchTraces(b), times)},
	} {
		b.Run(c.name, func(b *testing.B) {
			items := Count(c.signal, c.request)
			b.SetBytes(int64(len(c.request)))
			b.ReportAllocs()
			start := time.Now()
			f(b, c.signal, c.request)
			b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(b.N*items), "ns/item")
			b.ReportMetric(float64(len(c.request)/items), "B/item")
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	benchEach(b, func(b *testing.B, s Signal, r Request) {
		for b.Loop() {
			if _, info, err := Check(s, r, Limits{}); err != nil || info.Canonicalized {
				b.Fatal(info, err)
			}
		}
	})
}

// A request of which one string is not UTF-8: the slow path over all of it.
func BenchmarkCheckAndRewrite(b *testing.B) {
	benchEach(b, func(b *testing.B, s Signal, r Request) {
		r = bytes.Replace(r, []byte("checkout-7"), []byte("checkout-\xff"), 1)
		for b.Loop() {
			if _, info, err := Check(s, r, Limits{}); err != nil || info.RepairedStrings != 1 {
				b.Fatal(info, err)
			}
		}
	})
}

// What the same would cost with objects: decode and encode.
func BenchmarkPdataDecodeEncode(b *testing.B) {
	benchEach(b, func(b *testing.B, s Signal, r Request) {
		for b.Loop() {
			p := newPdata(s)
			if err := p.UnmarshalProto(r); err != nil {
				b.Fatal(err)
			}
			if _, err := p.MarshalProto(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCount(b *testing.B) {
	benchEach(b, func(b *testing.B, s Signal, r Request) {
		for b.Loop() {
			Count(s, r)
		}
	})
}

// Every field of every item is read through the views.
func BenchmarkVisit(b *testing.B) {
	benchEach(b, func(b *testing.B, s Signal, r Request) {
		for b.Loop() {
			if visit(s, r) == 0 {
				b.Fatal("nothing visited")
			}
		}
	})
}

// visit adds up something of every field, so that nothing can be left out.
func visit(s Signal, r Request) int {
	n := 0
	for rs := r.Resources(); rs.Next(); {
		n += visitAttributes(ResourceAttributes(rs.Resource()))
		for sc := rs.Scopes(); sc.Next(); {
			n += len(ParseScope(sc.Scope()).Name)
			for it := sc.Items(); it.Next(); {
				switch s {
				case Metrics:
					m := ParseMetric(it.Bytes())
					n += len(m.Name) + len(m.Unit)
					for ps := m.Points(); ps.Next(); {
						p := ParseNumberPoint(ps.Bytes())
						n += int(p.Time) + int(p.Start) + int(p.Double)
						n += visitAttributes(p.Attributes())
					}
				case Logs:
					l := ParseLog(it.Bytes())
					n += int(l.Time) + int(l.SeverityNumber) + len(l.SeverityText) + len(l.TraceID) + len(l.Body.Str())
					n += visitAttributes(l.Attributes())
				case Traces:
					sp := ParseSpan(it.Bytes())
					n += int(sp.Start) + int(sp.End) + len(sp.Name) + int(sp.Kind) + int(sp.StatusCode)
					n += visitAttributes(sp.Attributes())
					for es := sp.Events(); es.Next(); {
						e := es.Event()
						n += len(e.Name) + visitAttributes(e.Attributes())
					}
					for ls := sp.Links(); ls.Next(); {
						l := ls.Link()
						n += len(l.TraceID) + visitAttributes(l.Attributes())
					}
				}
			}
		}
	}
	return n
}

func visitAttributes(a Attributes) int {
	n := 0
	for a.Next() {
		v := a.Value()
		n += len(a.Key()) + len(v.Str()) + int(v.Int())
	}
	return n
}

// One attribute more for every resource, into a buffer that is used again.
func BenchmarkEditResources(b *testing.B) {
	benchEach(b, func(b *testing.B, s Signal, r Request) {
		var buf []byte
		for b.Loop() {
			out, changed := EditResources(buf[:0], r, func(dst, resource []byte) ([]byte, bool) {
				return AppendStringAttribute(append(dst, resource...), FieldResourceAttributes, "cluster", "prod"), true
			})
			if !changed {
				b.Fatal("unchanged")
			}
			buf = out
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	benchEach(b, func(b *testing.B, s Signal, r Request) {
		for b.Loop() {
			Split(s, r, Limits{MaxItems: 64}, func(part Request, items int) bool { return items <= 64 })
		}
	})
}

func BenchmarkAppendText(b *testing.B) {
	v := parseValue(AppendString(nil, FieldValueString, strings.Repeat("x", 50)))
	buf := make([]byte, 0, 100)
	b.ReportAllocs()
	for b.Loop() {
		buf = v.AppendText(buf[:0])
	}
}
