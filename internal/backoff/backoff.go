// Package backoff is exponential backoff with full jitter, so that clients that failed together do not retry
// together.
package backoff

import (
	"math/rand/v2"
	"time"
)

// MaxAsked bounds a requested delay, so that a garbage header cannot stop a pipeline for years.
const MaxAsked = 5 * time.Minute

// A Backoff gives the waits between attempts. Each is uniform between 0 and a bound that grows from Min to Max. The
// zero value waits 0.
type Backoff struct {
	Min, Max   time.Duration
	Multiplier float64 // of the bound; 0 means 2
	bound      time.Duration
}

// Next returns the next wait: a random one plus what the other side asked for.
func (b *Backoff) Next(asked time.Duration) time.Duration {
	if b.bound == 0 {
		b.bound = b.Min
	}
	wait := time.Duration(rand.Int64N(int64(b.bound) + 1))
	m := b.Multiplier
	if m == 0 {
		m = 2
	}
	b.bound = time.Duration(min(float64(b.bound)*m, float64(b.Max)))
	return wait + min(max(asked, 0), MaxAsked)
}

// Reset starts from Min again.
func (b *Backoff) Reset() { b.bound = 0 }
