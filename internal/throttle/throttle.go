// Package throttle keeps the log short: a line that would be written thousands of times is written once a minute, with how
// many there were.
package throttle

import (
	"sync"
	"time"
)

// Every is how often one kind of line is written.
const Every = time.Minute

// Line lets a log line through once in a while. Its zero value lets the first one through.
type Line struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

// Now reports whether the line is due, and how many were left out since the one before.
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
