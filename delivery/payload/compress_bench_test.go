package payload

import (
	"fmt"
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
