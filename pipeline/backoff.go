package pipeline

import (
	"math/rand/v2"
	"time"
)

// Backoff gives exponential waits with full jitter: each is uniform between nothing and a bound that doubles
// from Min to Max, so that clients that failed together do not come back together. The zero value waits 0.
type Backoff struct {
	Min, Max time.Duration
	bound    time.Duration
}

// Next returns the next wait.
func (b *Backoff) Next() time.Duration {
	if b.bound == 0 {
		b.bound = b.Min
	}
	w := time.Duration(rand.Int64N(int64(b.bound) + 1))
	b.bound = min(b.bound*2, b.Max)
	return w
}

// Reset makes the next wait start from Min again.
func (b *Backoff) Reset() { b.bound = 0 }
