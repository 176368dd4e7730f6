package delivery

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestJitterSpreadsClientsThatFailedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxInFlight: 100}, func(_ context.Context, n int, _ string) Outcome { return busy(101)(nil, n, "") })
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { _ = r.send(t.Context(), "one") })
		}
		wg.Wait()
		buckets := map[time.Duration]int{}
		for _, at := range r.at[100:] {
			buckets[at.Sub(r.at[0])/(20*time.Millisecond)]++
		}
		if len(buckets) < 8 {
			t.Errorf("100 retries fall into %d of 10 slots of 20 ms", len(buckets))
		}
	})
}
