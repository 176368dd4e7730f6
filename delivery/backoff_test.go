package delivery

import (
	"context"
	"github.com/sluiceio/sluice/delivery/answer"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestJitterSpreadsClientsThatFailedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxInFlight: 100}, func(_ context.Context, n int, _ string) answer.Outcome { return busy(101)(nil, n, "") })
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

func TestNoMultiplierOverflows(t *testing.T) {
	for _, m := range []float64{1, 1e12, math.MaxFloat64, math.Inf(1)} {
		cfg := RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: time.Minute, Multiplier: m}
		if err := cfg.Validate(); err != nil {
			t.Error(err)
		}
		b := cfg.backoff()
		for range 10 {
			if wait := b.Next(0); wait < 0 || wait > time.Minute {
				t.Errorf("with a multiplier of %v the wait is %s", m, wait)
			}
		}
	}
	cfg := RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: time.Minute, Multiplier: math.NaN()}
	if cfg.Validate() == nil {
		t.Error("a multiplier that is no number is taken")
	}
}
