package prom

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// TestCacheAgainstSlowPath walks generated requests, verbatim and translated, good and refused, with a cache, with a
// cache too small for them and with none: the same samples and reports.
func TestCacheAgainstSlowPath(t *testing.T) {
	c := DefaultConfig()
	slow, fast, small := c, c, c
	slow.CacheBytes = -1
	small.CacheBytes = 100 << 10
	reference, cached, tight := New(slow), New(fast), New(small)
	for seed := range uint64(2000) {
		md := (&generator{Rand: rand.New(rand.NewPCG(seed, 2)), verbatim: true, temporal: true}).metrics()
		r := request(t, md)
		want, wantReport := lines(t, reference, r)
		for _, tr := range []*Translator{cached, tight, cached} {
			got, report := lines(t, tr, r)
			compareCached(t, got, want)
			if report.Samples = wantReport.Samples; report != wantReport {
				t.Fatalf("seed %d: report %+v, want %+v", seed, report, wantReport)
			}
		}
		if report := wantReport; report.Points != md.DataPointCount() {
			t.Fatalf("seed %d: %d points, pdata counts %d", seed, report.Points, md.DataPointCount())
		}
	}
	if tight.points.old == nil {
		t.Error("the small cache never turned, the test does not test it")
	}
}

// compareCached compares what the cache yields with what the slow path does. The cache may leave out target_info that
// an earlier request covered.
func compareCached(t *testing.T, got, want []string) {
	t.Helper()
	for _, w := range want {
		switch {
		case len(got) > 0 && got[0] == w:
			got = got[1:]
		case !strings.Contains(w, `__name__="target_info"`):
			t.Fatalf("got %v, want %s", append(got, "nothing")[0], w)
		}
	}
	if len(got) > 0 {
		t.Fatalf("too much: %s", got[0])
	}
}

// TestTargetInfoRunsForward: overlapping requests of one resource, as several exporters of one process send them,
// yield a target_info that never goes back, also not for what is of long ago.
func TestTargetInfoRunsForward(t *testing.T) {
	tr := New(DefaultConfig())
	var times []int64
	for _, second := range []int64{1000, 1010, 1005, 1012, 1400, 700} {
		md := push(5, 5)
		for i, p := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().All() {
			p.SetTimestamp(pcommon.Timestamp(ms((second - int64(i)) * 1000)))
		}
		if _, err := tr.Walk(request(t, md), SinkFunc(func(s *Sample) error {
			if s.Point < 0 {
				times = append(times, s.Time/1000)
			}
			return nil
		})); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int64{996, 1000, 1006, 1010, 1012, 1396, 1400}; !slices.Equal(times, want) {
		t.Errorf("target_info at %v, want %v", times, want)
	}
}

// TestCacheKeepsSlots: what a sink leaves in a slot comes back with the same series, however often the cache turns in
// between, as long as the series is seen often enough; and never with another series.
func TestCacheKeepsSlots(t *testing.T) {
	c := DefaultConfig()
	c.CacheBytes = 1 << 20
	tr := New(c)
	ids := map[string]uint64{}
	turns, hits, misses := 0, 0, 0
	last := tr.points.cur
	rng := rand.New(rand.NewPCG(1, 1))
	steady := request(t, scrape(50, 5))
	for range 2000 {
		for _, r := range []struct {
			b      []byte
			steady bool
		}{{steady, true}, {request(t, (&generator{Rand: rng, verbatim: true}).metrics()), false}} {
			_, err := tr.Walk(r.b, SinkFunc(func(s *Sample) error {
				name := s.Labels.String()
				if *s.Slot == 0 {
					if r.steady {
						misses++
					}
					if ids[name] == 0 {
						ids[name] = uint64(len(ids) + 1)
					}
					*s.Slot = ids[name]
				} else if r.steady {
					hits++
				}
				if *s.Slot != ids[name] {
					return fmt.Errorf("%s has the slot of another series", name)
				}
				return nil
			}))
			if err != nil {
				t.Fatal(err)
			}
		}
		if tr.points.cur != last {
			turns, last = turns+1, tr.points.cur
		}
		if n := tr.CacheBytes(); n > 2*c.CacheBytes {
			t.Fatalf("the cache holds %d bytes of %d", n, c.CacheBytes)
		}
	}
	if turns < 5 || misses != 50 {
		t.Errorf("%d turns, %d misses and %d hits of the steady series; want turns, and one miss a series", turns, misses, hits)
	}
}

// TestCacheComparesKeys gives every key the same hash.
func TestCacheComparesKeys(t *testing.T) {
	var tab table[int]
	for i := range 1000 {
		tab.add(7, parent{origin: uint64(i % 3)}, fmt.Appendf(nil, "key %d", i), i)
	}
	for i := range 1000 {
		at, ok := tab.find(7, parent{origin: uint64(i % 3)}, fmt.Appendf(nil, "key %d", i))
		if !ok || tab.entries[at].value != i {
			t.Fatalf("key %d: found %v at %d", i, ok, at)
		}
		if _, ok := tab.find(7, parent{origin: uint64((i + 1) % 3)}, fmt.Appendf(nil, "key %d", i)); ok {
			t.Fatalf("key %d found below another parent", i)
		}
	}
}
