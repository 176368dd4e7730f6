// Package pace says how many requests a destination gets at once, and when it is asked again after it has refused.
package pace

import (
	"math/rand/v2"
	"time"

	"github.com/sluiceio/sluice/internal/backoff"
)

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 30 * time.Second
	// slowFactor is how much slower than usual an answer is when the destination has too much to do.
	slowFactor = 3
	// slowLeast is what is never slow.
	slowLeast = 50 * time.Millisecond
)

// A Pace moves between one request at once and the most. It grows by one each round of answers, loses a tenth for an answer
// that is much slower than usual, half when the destination asks for less, and all but one when it is away. It is not safe for
// concurrent use.
type Pace struct {
	limit, most float64
	until       time.Time // nobody is sent before
	refused     time.Time // the last time
	fails       int       // rounds in a row
	usual       time.Duration
}

// Set begins with so many at once.
func (p *Pace) Set(begin, most int) { p.limit, p.most = float64(begin), float64(max(most, 1)) }

// Limit is how many requests there may be at once.
func (p *Pace) Limit() int { return int(p.limit) }

// Pauses reports whether the destination is left alone now.
func (p *Pace) Pauses(now time.Time) bool { return now.Before(p.until) }

// Answered notes an answer that is no refusal, to a request of a moment. One that was sent before the last refusal says
// nothing of now, and ends no pause.
func (p *Pace) Answered(begun time.Time) {
	if !begun.After(p.refused) {
		return
	}
	took := time.Since(begun)
	p.fails, p.until = 0, time.Time{}
	if p.usual > 0 && took > slowFactor*p.usual && took > slowLeast {
		p.limit = max(1, p.limit*0.9)
	} else {
		p.limit = min(p.most, p.limit+1/p.limit)
	}
	if p.usual == 0 {
		p.usual = took
	}
	p.usual += (took - p.usual) / 16
}

// Refused notes a refusal of a request of a moment, and returns how long the destination is left alone from now on. asked is
// the least (Retry-After), up to five minutes; a random time is added. Requests that were out together and fail together count
// once.
func (p *Pace) Refused(begun time.Time, asked time.Duration, overload bool) time.Duration {
	now := time.Now()
	asked = min(max(asked, 0), backoff.MaxAsked)
	if begun.After(p.refused) {
		asked += rand.N(min(firstPause<<min(p.fails, 16), maxPause))
		p.fails++
		p.refused = now
		if overload {
			p.limit = max(1, p.limit/2)
		} else {
			p.limit = 1
		}
	}
	if until := now.Add(asked); until.After(p.until) {
		p.until = until
	}
	return max(p.until.Sub(now), 0)
}
