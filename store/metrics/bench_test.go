package metrics

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/metrics/metricstest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// target is a scraped body of 1,500 series in metrics of five.
func target(i int, at time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	sm := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
	sm.Scope().Attributes().PutStr("job", "node")
	sm.Scope().Attributes().PutStr("instance", fmt.Sprintf("host-%d:9100", i))
	for j := range 300 {
		m := sm.Metrics().AppendEmpty()
		m.SetName(fmt.Sprintf("node_metric_%d_total", j))
		m.SetDescription("What it counts.")
		m.Metadata().PutStr("prometheus.type", "counter")
		s := m.SetEmptySum()
		s.SetIsMonotonic(true)
		s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for k := range 5 {
			p := s.DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(at))
			p.SetDoubleValue(float64(j * k))
			p.Attributes().PutStr("method", "GET")
			p.Attributes().PutStr("code", "200")
			p.Attributes().PutStr("shard", fmt.Sprint(k))
		}
	}
	return md
}

// patch writes a time into every point of a request, as a scrape template does.
type patch struct {
	b  pipeline.Batch
	at []int // where the times stand
}

func newPatch(b testing.TB, md pmetric.Metrics, at time.Time) patch {
	p := patch{b: metricstest.Batch(b, md)}
	var want [8]byte
	for i, n := 0, uint64(at.UnixNano()); i < 8; i++ {
		want[i] = byte(n >> (8 * i))
	}
	for i := 0; i+8 <= len(p.b.Request); i++ {
		if [8]byte(p.b.Request[i:i+8]) == want {
			p.at = append(p.at, i)
		}
	}
	return p
}

func (p patch) set(at time.Time) {
	n := uint64(at.UnixNano())
	for _, i := range p.at {
		for k := range 8 {
			p.b.Request[i+k] = byte(n >> (8 * k))
		}
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend appends scraped bodies of 1,500 known series each, in order, from the bytes to the write-ahead log.
func BenchmarkAppend(b *testing.B) {
	for _, targets := range []int{1, 20} {
		b.Run(fmt.Sprintf("targets=%d", targets), func(b *testing.B) {
			st, _ := open(b, b.TempDir(), Options{})
			begin := time.Now().Add(-time.Hour)
			var patches []patch
			for i := range targets {
				p := newPatch(b, target(i, begin), begin)
				if err := st.Append(context.Background(), p.b); err != nil {
					b.Fatal(err)
				}
				patches = append(patches, p)
			}
			b.ReportAllocs()
			n, used := 0, cpu()
			for b.Loop() {
				n++
				p := patches[n%targets]
				p.set(begin.Add(time.Duration(n) * time.Millisecond))
				if err := st.Append(context.Background(), p.b); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu()-used)/float64(n)/1500, "cpu-ns/sample")
		})
	}
}

// BenchmarkAppendNew appends series that the store has never seen.
func BenchmarkAppendNew(b *testing.B) {
	st, _ := open(b, b.TempDir(), Options{MaxSeries: 1 << 30})
	at := time.Now()
	b.ReportAllocs()
	n := 0
	var used time.Duration
	for b.Loop() {
		b.StopTimer()
		n++
		batch := metricstest.Batch(b, target(n, at))
		began := cpu()
		b.StartTimer()
		if err := st.Append(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		used += cpu() - began
	}
	b.ReportMetric(float64(used)/float64(n)/1500, "cpu-ns/sample")
}

// BenchmarkAppendLate appends samples out of order, each of which is looked up first.
func BenchmarkAppendLate(b *testing.B) {
	st, _ := open(b, b.TempDir(), Options{})
	at := time.Now()
	p := newPatch(b, target(0, at), at)
	if err := st.Append(context.Background(), p.b); err != nil {
		b.Fatal(err)
	}
	n, used := 0, cpu()
	for b.Loop() {
		n++
		p.set(at.Add(-time.Duration(n) * time.Millisecond))
		if err := st.Append(context.Background(), p.b); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu()-used)/float64(n)/1500, "cpu-ns/sample")
}
