package payload

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"go.opentelemetry.io/collector/config/configcompression"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// agents is a request as batch gathers it: 20 logs of each of so many agents.
func agents(n int) pipeline.Batch {
	rnd := rand.New(rand.NewPCG(1, 2))
	verbs := []string{"GET", "POST", "PUT", "DELETE"}
	levels := []string{"INFO", "INFO", "INFO", "WARN", "ERROR"}
	b := pipeline.Batch{Signal: pipeline.Logs}
	at := uint64(1_790_000_000_000_000_000)
	for a := range n {
		resource := wire.AppendStringAttribute(nil, wire.FieldResourceAttributes, "service.name", fmt.Sprintf("checkout-%d", a%7))
		resource = wire.AppendStringAttribute(resource, wire.FieldResourceAttributes, "k8s.pod.name", fmt.Sprintf("checkout-%d-%08x", a%7, rnd.Uint32()))
		resource = wire.AppendStringAttribute(resource, wire.FieldResourceAttributes, "host.name", fmt.Sprintf("node-%d.example.internal", a%40))
		var items []byte
		for range 20 {
			at += uint64(rnd.IntN(2_000_000))
			var item, body int
			items, item = wire.BeginMessage(items, wire.FieldScopeXItem)
			items = wire.AppendFixed64(items, wire.FieldLogTime, at)
			items = wire.AppendFixed64(items, wire.FieldLogObservedTime, at+uint64(rnd.IntN(1000)))
			items = wire.AppendString(items, wire.FieldLogSeverityText, levels[rnd.IntN(len(levels))])
			items, body = wire.BeginMessage(items, wire.FieldLogBody)
			items = wire.AppendString(items, wire.FieldValueString, fmt.Sprintf("%s /api/v1/orders/%d status=%d took=%dms user=%x",
				verbs[rnd.IntN(4)], rnd.IntN(1e6), 200+rnd.IntN(5)*100, rnd.IntN(900), rnd.Uint64()))
			items = wire.EndMessage(items, body)
			items = wire.AppendStringAttribute(items, wire.FieldLogAttributes, "http.route", "/api/v1/orders/{id}")
			items = wire.AppendStringAttribute(items, wire.FieldLogAttributes, "thread", fmt.Sprintf("worker-%d", rnd.IntN(16)))
			items = wire.EndMessage(items, item)
			b.Items++
		}
		e := wire.Envelope{Resource: wire.AppendBytes(nil, wire.FieldResourceXResource, resource), Scope: wire.AppendBytes(nil, wire.FieldScopeXScope, nil)}
		b.Request = append(e.Append(b.Request, len(items)), items...)
	}
	return b
}

// points is a request of so many number points.
func points(n int) pipeline.Batch {
	rnd := rand.New(rand.NewPCG(3, 4))
	b := pipeline.Batch{Signal: pipeline.Metrics, Items: n}
	var metrics []byte
	for i := range n / 20 {
		var metric, sum int
		metrics, metric = wire.BeginMessage(metrics, wire.FieldScopeXItem)
		metrics = wire.AppendString(metrics, wire.FieldMetricName, fmt.Sprintf("http_server_requests_%d_total", i))
		metrics, sum = wire.BeginMessage(metrics, wire.FieldMetricSum)
		for p := range 20 {
			var point int
			metrics, point = wire.BeginMessage(metrics, wire.FieldDataPoints)
			metrics = wire.AppendFixed64(metrics, wire.FieldNumberTime, 1_790_000_000_000_000_000)
			metrics = wire.AppendFixed64(metrics, wire.FieldNumberDouble, math.Float64bits(float64(rnd.IntN(1e6))))
			metrics = wire.AppendStringAttribute(metrics, wire.FieldNumberAttributes, "method", []string{"GET", "POST", "PUT"}[p%3])
			metrics = wire.AppendStringAttribute(metrics, wire.FieldNumberAttributes, "route", fmt.Sprintf("/api/v1/orders/%d", p))
			metrics = wire.EndMessage(metrics, point)
		}
		metrics = wire.EndMessage(wire.EndMessage(metrics, sum), metric)
	}
	e := wire.Envelope{Resource: wire.AppendBytes(nil, wire.FieldResourceXResource, nil), Scope: wire.AppendBytes(nil, wire.FieldScopeXScope, nil)}
	b.Request = append(e.Append(nil, len(metrics)), metrics...)
	return b
}

// BenchmarkCompress is what each codec costs and leaves of the requests of a fleet, gathered.
func BenchmarkCompress(b *testing.B) {
	for _, n := range []int{25, 60, 120} {
		batch := agents(n)
		for _, c := range []configcompression.Type{"zstd", "gzip", "snappy"} {
			b.Run(fmt.Sprintf("%s/%dKB", c, len(batch.Request)>>10), func(b *testing.B) {
				var pool buffer.Pool
				k, err := NewCompressor(c, 0, &pool)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(batch.Request)))
				b.ReportAllocs()
				var out int
				for b.Loop() {
					p := k.Payload(batch)
					out = p.Len()
					p.Release()
				}
				b.ReportMetric(float64(out)/float64(batch.Items), "B/log")
			})
		}
	}
}
