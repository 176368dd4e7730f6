package prom

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// scrape is a request as our scraper sends it: one target, verbatim names, n series in metrics of per points.
func scrape(n, per int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "node")
	rm.Resource().Attributes().PutStr("service.instance.id", "host-1:9100")
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("github.com/sluiceio/sluice/receivers/scrape")
	sm.Scope().Attributes().PutStr("job", "node")
	sm.Scope().Attributes().PutStr("instance", "host-1:9100")
	fill(sm, n, per, true)
	return md
}

// push is a request as an SDK sends it, translated.
func push(n, per int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	for i, k := range DefaultConfig().PromoteResourceAttributes {
		rm.Resource().Attributes().PutStr(k, fmt.Sprintf("value-%d", i))
	}
	rm.Resource().Attributes().PutStr("telemetry.sdk.language", "go")
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("some/library")
	fill(sm, n, per, false)
	return md
}

func fill(sm pmetric.ScopeMetrics, n, per int, verbatim bool) {
	for i := range n / per {
		m := sm.Metrics().AppendEmpty()
		m.SetName(fmt.Sprintf("http_server_requests_%d", i))
		m.SetDescription("How many requests were answered, by method and code.")
		if verbatim {
			m.Metadata().PutStr(TypeKey, "counter")
		}
		s := m.SetEmptySum()
		s.SetIsMonotonic(true)
		s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for j := range per {
			p := s.DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.Timestamp(ms(day)))
			p.SetDoubleValue(float64(i * j))
			p.Attributes().PutStr("method", "GET")
			p.Attributes().PutStr("code", "200")
			p.Attributes().PutStr("handler", "/api/v1/query_range")
			p.Attributes().PutStr("device", "eth0")
			p.Attributes().PutStr("shard", fmt.Sprint(j))
		}
	}
}

// benchSink does what every sink does: reads the slot.
type benchSink struct{ slots uint64 }

func (b *benchSink) Sample(s *Sample) error {
	b.slots += *s.Slot
	*s.Slot = 1
	return nil
}

// cpu returns the processor time of the process: on a machine with neighbours the wall clock says little.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func perPoint(b *testing.B, begin time.Duration, points int) {
	b.ReportMetric(float64(cpu()-begin)/float64(b.N)/float64(points), "cpu-ns/point")
}

func benchmarkWalk(b *testing.B, md pmetric.Metrics, c Config) {
	r := request(b, md)
	n := md.DataPointCount()
	tr := New(c)
	sink := &benchSink{}
	if _, err := tr.Walk(r, sink); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(r)))
	begin := cpu()
	for b.Loop() {
		if _, err := tr.Walk(r, sink); err != nil {
			b.Fatal(err)
		}
	}
	perPoint(b, begin, n)
}

// BenchmarkWalk is a scraped body of 1,500 series, all known.
func BenchmarkWalk(b *testing.B) { benchmarkWalk(b, scrape(1500, 5), DefaultConfig()) }

// BenchmarkWalkTranslated is the same from an SDK, with 15 promoted resource attributes.
func BenchmarkWalkTranslated(b *testing.B) { benchmarkWalk(b, push(1500, 5), DefaultConfig()) }

func benchmarkCold(b *testing.B, md pmetric.Metrics) {
	r := request(b, md)
	b.ReportAllocs()
	begin := cpu()
	for b.Loop() {
		if _, err := New(DefaultConfig()).Walk(r, &benchSink{}); err != nil {
			b.Fatal(err)
		}
	}
	perPoint(b, begin, md.DataPointCount())
}

// BenchmarkWalkCold is the slow path: every series is new.
func BenchmarkWalkCold(b *testing.B) { benchmarkCold(b, scrape(1500, 5)) }

// BenchmarkWalkTranslatedCold is the slow path with translation.
func BenchmarkWalkTranslatedCold(b *testing.B) { benchmarkCold(b, push(1500, 5)) }

// BenchmarkWalkMany has 100 targets come in another order each time, so that the guess of the next series fails
// once a target and the working set is 150,000 series.
func BenchmarkWalkMany(b *testing.B) {
	c := DefaultConfig()
	c.CacheBytes = 512 << 20
	tr := New(c)
	sink := &benchSink{}
	var bodies [][]byte
	for i := range 100 {
		md := scrape(1500, 5)
		md.ResourceMetrics().At(0).ScopeMetrics().At(0).Scope().Attributes().PutStr("instance", fmt.Sprint(i))
		bodies = append(bodies, request(b, md))
		if _, err := tr.Walk(bodies[i], sink); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	begin := cpu()
	i := 0
	for b.Loop() {
		i = (i + 37) % 100
		if _, err := tr.Walk(bodies[i], sink); err != nil {
			b.Fatal(err)
		}
	}
	perPoint(b, begin, 1500)
	b.ReportMetric(float64(tr.CacheBytes())/150_000, "cache-B/series")
}

// BenchmarkDecodeOnly is what a pipeline of objects pays before it has seen a label: pdata reads the body. It is here
// to measure the machine by.
func BenchmarkDecodeOnly(b *testing.B) {
	r := request(b, scrape(1500, 5))
	b.ReportAllocs()
	begin := cpu()
	for b.Loop() {
		if err := pmetricotlp.NewExportRequest().UnmarshalProto(r); err != nil {
			b.Fatal(err)
		}
	}
	perPoint(b, begin, 1500)
}
