package traces

import (
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/store/traces/tracestest"
)

// BenchmarkAppend is a caller that waits for the disk after each batch of 500 spans.
func BenchmarkAppend(b *testing.B) {
	st, _, _ := open(b, b.TempDir(), Options{})
	rnd := rand.New(rand.NewPCG(1, 1))
	batches := make([]pipeline.Batch, 64)
	size := 0
	for i := range batches {
		batches[i] = tracestest.ShopBatch(b, rnd, tracestest.Epoch.Add(time.Duration(i-200)*time.Second))
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
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*tracestest.BatchSpans), "ns/span")
}

// BenchmarkGroup is Append without the library: walking, sorting, and building fragments.
func BenchmarkGroup(b *testing.B) {
	batch := tracestest.ShopBatch(b, rand.New(rand.NewPCG(1, 1)), tracestest.Epoch)
	var g group
	b.SetBytes(int64(len(batch.Request)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		g.read(batch.Request, traceql.Window{To: ^uint64(0)})
		if err := g.fragments(func(place, []byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
		g.reset()
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*tracestest.BatchSpans), "ns/span")
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
		if err := st.Append(b.Context(), tracestest.ShopBatch(b, rnd, tracestest.Epoch.Add(-time.Hour+time.Duration(i)*18*time.Second))); err != nil {
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
			s := traceql.Search{Query: query, Window: traceql.Window{To: uint64(tracestest.Epoch.UnixNano())}, Limit: 20}
			found := 0
			b.ReportAllocs()
			for b.Loop() {
				found = 0
				if _, err := st.Search(b.Context(), s, func(traceql.Match) { found++ }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(found), "traces")
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
	found, _, err := st.found(b.Context(), traceql.Search{Query: query, Window: traceql.Window{To: ^uint64(0)}, Limit: 5000})
	if err != nil {
		b.Fatal(err)
	}
	h := answers(st)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		w := tracestest.Ask(h, "/tempo/api/v2/traces/"+found[i%len(found)].id, "application/protobuf")
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkTags collects names, and the values of one, over 100,000 spans.
func BenchmarkTags(b *testing.B) {
	h := answers(benchStore(b))
	for _, path := range []string{"/tempo/api/v2/search/tags", "/tempo/api/v2/search/tag/span.url.path/values"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				if w := tracestest.Ask(h, path, ""); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
