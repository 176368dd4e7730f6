package tracestest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// BatchSpans is the size of a ShopBatch.
const BatchSpans = 500

// ShopBatch makes 100 interleaved traces of 5 spans in 3 services; 8 attributes a span and 7 a resource, about 350 B
// a span.
func ShopBatch(t testing.TB, rnd *rand.Rand, at time.Time) pipeline.Batch {
	t.Helper()
	td := ptrace.NewTraces()
	spans := map[int]ptrace.SpanSlice{}
	for s := range 3 {
		rs := td.ResourceSpans().AppendEmpty()
		a := rs.Resource().Attributes()
		a.PutStr("service.name", fmt.Sprintf("service-%d", s))
		a.PutStr("service.version", "1.4.2")
		a.PutStr("service.instance.id", fmt.Sprintf("0b7c1f0e-%d", s))
		a.PutStr("deployment.environment", "production")
		a.PutStr("k8s.namespace.name", "shop")
		a.PutStr("k8s.pod.name", fmt.Sprintf("service-%d-5d8f7b6c9-x2x4z", s))
		a.PutStr("host.name", "node-17.example.com")
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
		ss.Scope().SetVersion("0.60.0")
		spans[s] = ss.Spans()
	}
	for range 100 {
		var id pcommon.TraceID
		binary.BigEndian.PutUint64(id[:], rnd.Uint64())
		binary.BigEndian.PutUint64(id[8:], rnd.Uint64())
		var parent pcommon.SpanID
		begin := at.Add(time.Duration(rnd.IntN(1000)) * time.Millisecond)
		for n := range 5 {
			s := spans[n/2].AppendEmpty()
			var sid pcommon.SpanID
			binary.BigEndian.PutUint64(sid[:], rnd.Uint64())
			s.SetTraceID(id)
			s.SetSpanID(sid)
			s.SetParentSpanID(parent)
			parent = sid
			s.SetName([]string{"GET /cart", "SELECT cart", "POST /charge", "HTTP POST", "publish"}[n])
			s.SetKind(ptrace.SpanKind(1 + n))
			s.SetStartTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Duration(n) * time.Millisecond)))
			s.SetEndTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Duration(20+rnd.IntN(200)) * time.Millisecond)))
			code := 200
			if rnd.IntN(1000) == 0 {
				code = 503
				s.Status().SetCode(ptrace.StatusCodeError)
			}
			a := s.Attributes()
			a.PutStr("http.request.method", "GET")
			a.PutStr("url.path", fmt.Sprintf("/cart/%d", rnd.IntN(100000)))
			a.PutInt("http.response.status_code", int64(code))
			a.PutStr("server.address", "cart.example.com")
			a.PutInt("server.port", 8443)
			a.PutStr("network.protocol.version", "1.1")
			a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101")
			a.PutInt("thread.id", int64(rnd.IntN(64)))
		}
	}
	return BatchOf(t, td)
}
