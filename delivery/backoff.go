package delivery

import (
	"math/rand/v2"
	"time"
)

// maxRetryAfter bounds what a destination may ask for, so that no garbage in a header stops a pipeline for years.
const maxRetryAfter = 5 * time.Minute

// A backoff gives the waits between the attempts of one request: exponential with full jitter.
type backoff struct {
	cfg   *RetryConfig
	bound time.Duration
}

// next returns the next wait. What the destination asked for is a lower limit, and the jitter is added to it: clients
// that were refused together with the same Retry-After do not come back together.
func (b *backoff) next(asked time.Duration) time.Duration {
	if b.bound == 0 {
		b.bound = b.cfg.InitialInterval
	}
	wait := time.Duration(rand.Int64N(int64(b.bound) + 1))
	b.bound = time.Duration(min(float64(b.bound)*b.cfg.Multiplier, float64(b.cfg.MaxInterval)))
	return wait + min(max(asked, 0), maxRetryAfter)
}
