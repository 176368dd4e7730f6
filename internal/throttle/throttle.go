// Package throttle limits repeated log lines to one a minute, with a count.
package throttle

import (
	"sync"
	"time"
)

// Every is the interval.
const Every = time.Minute

// Line throttles a log line. The zero value lets the first one through.
type Line struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

// Now reports whether the line is due, and how many were suppressed.
func (l *Line) Now() (suppressed int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.last.IsZero() || now.Sub(l.last) >= Every {
		suppressed, l.skipped, l.last = l.skipped, 0, now
		return suppressed, true
	}
	l.skipped++
	return 0, false
}
