package prom

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// buckets expands spans into counts by position, empty ones left out.
func buckets(spans []Span, deltas []int64) map[int64]int64 {
	out := map[int64]int64{}
	var at, count int64
	for i, s := range spans {
		if i == 0 {
			at = int64(s.Offset)
		} else {
			at += int64(s.Offset)
		}
		for range s.Length {
			count += deltas[0]
			deltas = deltas[1:]
			if count != 0 {
				out[at] = count
			}
			at++
		}
	}
	return out
}

// TestDownscale holds the merging of buckets to the definition: bucket i of scale s is the range above 2^(i/2^s), so
// at a scale that is coarser by d it falls into bucket i>>d, which Prometheus counts from 1. Prometheus' own
// translation is no oracle here: where empty buckets lead it puts counts one bucket too low.
func TestDownscale(t *testing.T) {
	g := &generator{Rand: rand.New(rand.NewPCG(4, 4))}
	tr := New(Config{})
	for i := range 2000 {
		md := pmetric.NewMetrics()
		m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("e")
		h := m.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := h.DataPoints().AppendEmpty()
		p.SetScale(int32(g.IntN(25) - 4))
		down := max(0, p.Scale()-8)
		want := [2]map[int64]int64{{}, {}}
		for side, b := range []pmetric.ExponentialHistogramDataPointBuckets{p.Positive(), p.Negative()} {
			b.SetOffset(int32(g.IntN(40) - 20))
			for k := range g.IntN(40) {
				n := pick(g, 0, 0, 0, 1, 5)
				b.BucketCounts().Append(uint64(n))
				if n > 0 {
					want[side][(int64(b.Offset())+int64(k))>>down+1] += int64(n)
				}
			}
		}
		_, err := tr.Walk(request(t, md), SinkFunc(func(s *Sample) error {
			h := s.Histogram
			got := [2]map[int64]int64{buckets(h.PositiveSpans, h.PositiveDeltas), buckets(h.NegativeSpans, h.NegativeDeltas)}
			if h.Schema != p.Scale()-down || !maps.Equal(got[0], want[0]) || !maps.Equal(got[1], want[1]) {
				return fmt.Errorf("case %d, scale %d: schema %d, %v, want %v", i, p.Scale(), h.Schema, got, want)
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestScaleLimits: what does not fit is refused, and at the limits nothing overflows.
func TestScaleLimits(t *testing.T) {
	for _, c := range []struct {
		scale, offset int32
		refused       int
	}{
		{-4, 0, 0}, {-5, 0, 1}, {1 << 30, 7, 0}, {8, 1<<31 - 4, 0}, {8, 1<<31 - 3, 1}, {8, 1<<31 - 1, 1}, {8, -1 << 31, 0}, {20, 1<<31 - 1, 0},
	} {
		md := pmetric.NewMetrics()
		m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("e")
		h := m.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := h.DataPoints().AppendEmpty()
		p.SetScale(c.scale)
		p.Positive().SetOffset(c.offset)
		p.Positive().BucketCounts().FromRaw([]uint64{1, 0})
		if c.offset == 1<<31-3 {
			p.Positive().BucketCounts().FromRaw([]uint64{0, 1, 1})
		}
		out, report := lines(t, New(Config{}), request(t, md))
		if report.Refused() != c.refused || len(out) != 1-c.refused || report.Points != 1 {
			t.Errorf("scale %d, offset %d: %d refused, %v", c.scale, c.offset, report.Refused(), out)
		}
	}
}
