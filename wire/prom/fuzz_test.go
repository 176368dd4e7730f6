package prom

import (
	"math/rand/v2"
	"testing"

	"github.com/sluiceio/sluice/wire"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// FuzzWalk walks whatever passes wire.Check: the cache and the slow path say the same, label sets are well-formed, and
// every point is accounted for.
func FuzzWalk(f *testing.F) {
	for seed := range uint64(20) {
		md := (&generator{Rand: rand.New(rand.NewPCG(seed, 5)), verbatim: true, temporal: true}).metrics()
		body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	slow := DefaultConfig()
	slow.CacheBytes = -1
	f.Fuzz(func(t *testing.T, body []byte) {
		// Nothing outlives an input: the fuzzer takes what a warm cache does for new coverage and never gets on.
		reference, cached := New(slow), New(DefaultConfig())
		r, info, err := wire.Check(wire.Metrics, body, wire.Limits{})
		if err != nil {
			return
		}
		want, report := lines(t, reference, r)
		if report.Points != info.Items {
			t.Fatalf("%d points, wire.Check counted %d", report.Points, info.Items)
		}
		for range 2 {
			got, again := lines(t, cached, r)
			compareCached(t, got, want)
			if again.Points != report.Points || again.refused != report.refused {
				t.Fatalf("cache %+v, slow path %+v", again, report)
			}
		}
		_, err = cached.Walk(r, SinkFunc(func(s *Sample) error {
			checkLabels(t, s.Labels, true)
			for _, x := range s.Exemplars {
				checkLabels(t, x.Labels, false)
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
	})
}

func checkLabels(t *testing.T, ls Labels, named bool) {
	t.Helper()
	last, name := "", false
	for c := ls.Cursor(); c.Next(); {
		if string(c.Name) <= last || len(c.Value) == 0 {
			t.Fatalf("%s is not sorted, or has an empty name or value", ls)
		}
		last = string(c.Name)
		name = name || last == nameLabel
	}
	if name != named {
		t.Fatalf("%s: metric name %v, want %v", ls, name, named)
	}
}
