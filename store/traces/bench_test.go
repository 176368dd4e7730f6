package traces

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/traces/traceql"
)

// shopBatch makes traces as an instrumented shop does: 5 spans of 3 services in a trace, 8 attributes a span and 7 a
// resource, about 350 B a span; they come in batches of 500 spans in which 100 traces lie mixed.
func shopBatch(t testing.TB, rnd *rand.Rand, at time.Time) pipeline.Batch {
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
	return batchOf(t, td)
}

const benchBatchSpans = 500

// BenchmarkAppend is a caller that waits for the disk after each batch of 500 spans.
func BenchmarkAppend(b *testing.B) {
	st, _, _ := open(b, b.TempDir(), Options{})
	rnd := rand.New(rand.NewPCG(1, 1))
	batches := make([]pipeline.Batch, 64)
	size := 0
	for i := range batches {
		batches[i] = shopBatch(b, rnd, epoch.Add(time.Duration(i-200)*time.Second))
		size += len(batches[i].Request)
	}
	b.SetBytes(int64(size / len(batches)))
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		batch := batches[n%uint64(len(batches))]
		n++
		// Other traces each time, or the same fragments would be written over and over.
		renumber(batch, n)
		if err := st.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*benchBatchSpans), "ns/span")
}

// BenchmarkGroup is Append without the library: walking, sorting, and building fragments.
func BenchmarkGroup(b *testing.B) {
	batch := shopBatch(b, rand.New(rand.NewPCG(1, 1)), epoch)
	var g group
	b.SetBytes(int64(len(batch.Request)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		g.read(batch.Request, window{0, ^uint64(0)})
		if err := g.fragments(func(place, []byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
		g.reset()
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*benchBatchSpans), "ns/span")
}

// renumber gives the traces of a batch other ids, in place: 8 bytes of each are replaced.
func renumber(batch pipeline.Batch, n uint64) {
	eachSpan(batch.Request, func(_, body []byte) bool {
		binary.BigEndian.PutUint64(body[2:], binary.BigEndian.Uint64(body[2:])^n*0x9e3779b97f4a7c15)
		return true
	})
}

// benchStore holds 100,000 spans of 20,000 traces over an hour, written out to tables.
func benchStore(b *testing.B) *Store {
	b.Helper()
	st, _, _ := open(b, b.TempDir(), Options{})
	rnd := rand.New(rand.NewPCG(2, 2))
	for i := range 200 {
		if err := st.Append(b.Context(), shopBatch(b, rnd, epoch.Add(-time.Hour+time.Duration(i)*18*time.Second))); err != nil {
			b.Fatal(err)
		}
	}
	if err := st.db.Flush(); err != nil {
		b.Fatal(err)
	}
	return st
}

// BenchmarkSearch asks over 100,000 spans. Those that find fewer traces than the limit read them all.
func BenchmarkSearch(b *testing.B) {
	st := benchStore(b)
	for _, q := range []string{
		`{}`,
		`{ resource.service.name = "service-1" }`,
		`{ status = error }`,
		`{ resource.service.name = "service-9" }`,
		`{ span.http.response.status_code >= 500 && resource.service.name = "service-1" }`,
		`{ name =~ "DELETE.*" }`,
		`{ .absent = "x" && duration > 1s }`,
		`{ rootName = "DELETE /cart" }`,
		`{ traceDuration > 1s }`,
	} {
		b.Run(q, func(b *testing.B) {
			query, err := traceql.Parse(q)
			if err != nil {
				b.Fatal(err)
			}
			s := search{query: query, window: window{0, uint64(epoch.UnixNano())}, limit: 20, spss: 3}
			var found []foundTrace
			b.ReportAllocs()
			for b.Loop() {
				if found, _, err = st.search(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(found)), "traces")
		})
	}
}

// BenchmarkTraceByID reads one trace of 5 spans out of 20,000 and answers in protobuf.
func BenchmarkTraceByID(b *testing.B) {
	st := benchStore(b)
	query, err := traceql.Parse("")
	if err != nil {
		b.Fatal(err)
	}
	found, _, err := st.search(b.Context(), search{query: query, window: window{0, ^uint64(0)}, limit: 5000, spss: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		w := ask(st, "/tempo/api/v2/traces/"+found[i%len(found)].TraceID, "application/protobuf")
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkTags collects names, and the values of one, over 100,000 spans.
func BenchmarkTags(b *testing.B) {
	st := benchStore(b)
	for _, path := range []string{"/tempo/api/v2/search/tags", "/tempo/api/v2/search/tag/span.url.path/values"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				if w := ask(st, path, ""); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
