package prometheus

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/sluiceio/sluice/pipeline"
)

// aDelta is what came to a sum between two times.
func aDelta(name string, n int64, from, to time.Time, attributes ...string) pmetric.Metrics {
	m := aGauge(name, 0, to, attributes...)
	x := m.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
	p := pmetric.NewNumberDataPoint()
	x.Gauge().DataPoints().At(0).CopyTo(p)
	p.SetIntValue(n)
	p.SetStartTimestamp(pcommon.NewTimestampFromTime(from))
	s := x.SetEmptySum()
	s.SetIsMonotonic(true)
	s.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	p.CopyTo(s.DataPoints().AppendEmpty())
	return m
}

// TestDeltasAreAddedUp: those that follow each other, as in the Collector; those after a gap, late ones and two of one time, too.
func TestDeltasAreAddedUp(t *testing.T) {
	e, books := newExporter(t, nil)
	at := func(s int) time.Time { return time.Unix(1_700_000_000+int64(s), 0) }
	for _, d := range []struct{ n, from, to, want int }{
		{5, 0, 10, 5}, {2, 10, 20, 7}, // in a row
		{1, 30, 40, 8},  // after a gap
		{4, 5, 15, 12},  // of another process, late
		{3, 30, 40, 15}, // of the same time
		{0, 40, 50, 15},
	} {
		consume(t, e, aDelta("hits", int64(d.n), at(d.from), at(d.to)))
		exposes(t, e, fmt.Sprintf("# TYPE hits_total counter\nhits_total %d\n", d.want))
	}
	if e.table.series[1].time != at(50).UnixMilli() {
		t.Errorf("the time is %d, want that of the latest", e.table.series[1].time)
	}
	consume(t, e, aGauge("other", 1, at(0)))
	if n := books.Unaccounted(); n != 0 {
		t.Errorf("%d unaccounted for", n)
	}
}

// TestManyDeltas of many series in any order: the totals are the sums.
func TestManyDeltas(t *testing.T) {
	e, _ := newExporter(t, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[string]int64{}
	for range 2000 {
		k, n, at := fmt.Sprint(rng.IntN(40)), rng.Int64N(1000), time.Unix(1_700_000_000+rng.Int64N(1000), 0)
		want[k] += n
		consume(t, e, aDelta("hits", n, at.Add(-time.Second), at, "k", k))
	}
	values, _, _ := parsed(t, first(scrape(e, acceptText)), acceptText)
	for k, n := range want {
		if got := values[fmt.Sprintf(`{__name__="hits_total", k="%s"}`, k)]; got != float64(n) {
			t.Errorf("%s is %g, want %d", k, got, n)
		}
	}
}

// TestARareCounterGoesOn: its total is not lost when it expires; that is bounded in number and time, and a stale marker ends it.
func TestARareCounterGoesOn(t *testing.T) {
	e, _ := newExporter(t, func(c *Config) { c.MaxSeries = 2 })
	now := time.Now()
	expire := func(after time.Duration) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.table.expire(time.Now().Add(after).Unix())
	}
	hit := func(k string) { consume(t, e, aDelta("errors", 1, now, now, "k", k)) }
	hit("a")
	hit("b")
	expire(time.Second)
	exposes(t, e, "")
	hit("a")
	exposes(t, e, "# TYPE errors_total counter\nerrors_total{k=\"a\"} 2\n")
	expire(time.Second)
	for _, k := range []string{"c", "d", "e"} {
		hit(k)
		expire(time.Second)
		if n := len(e.table.rest); n > 2 {
			t.Fatalf("%d totals are kept, with max_series 2", n)
		}
	}
	expire(25 * time.Hour)
	if n := len(e.table.rest); n != 0 {
		t.Errorf("%d totals are kept after a day", n)
	}
	hit("a")
	gone := aDelta("errors", 0, now, now, "k", "a")
	gone.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	consume(t, e, gone)
	hit("a")
	exposes(t, e, "# TYPE errors_total counter\nerrors_total{k=\"a\"} 1\n")
}

// TestDeltaHistograms: each bucket, the sum and the count are added up. What has no meaning as a total is dropped and counted.
func TestDeltaHistograms(t *testing.T) {
	e, books := newExporter(t, nil)
	m := everything(time.Unix(1_700_000_000, 0))
	metrics := m.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	metrics.RemoveIf(func(x pmetric.Metric) bool {
		return x.Name() != "latency" && x.Name() != "native" && x.Name() != "requests"
	})
	for _, x := range metrics.All() {
		switch x.Type() {
		case pmetric.MetricTypeHistogram:
			x.Histogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		case pmetric.MetricTypeExponentialHistogram:
			x.ExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		default: // how many there are
			x.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			x.Sum().SetIsMonotonic(false)
		}
	}
	for range 3 {
		consume(t, e, m)
	}
	values, natives, _ := parsed(t, first(scrape(e, acceptProtobuf)), acceptProtobuf)
	labels := `instance="a\n\"b\"\\c", job="shop"`
	for series, want := range map[string]float64{
		`{__name__="latency_seconds_bucket", ` + labels + `, le="1.0", path="/a"}`: 9,
		`{__name__="latency_seconds_count", ` + labels + `, path="/a"}`:            30,
		`{__name__="latency_seconds_sum", ` + labels + `, path="/b"}`:              100.5,
	} {
		if values[series] != want {
			t.Errorf("%s is %g, want %g, in %v", series, values[series], want, values)
		}
	}
	if len(natives) != 0 {
		t.Errorf("a native histogram: %v", natives)
	}
	for _, s := range books.Read() {
		if s.Signal == pipeline.Metrics && s.Dropped[pipeline.DropUnsupported].Items != 6 {
			t.Errorf("dropped: %v, want 6 data points", s.Dropped)
		}
	}
}
