package delivery

import (
	"log/slog"
	"sync"
	"time"
)

// noticeEvery is how often one kind of trouble is written to the log. A dead destination fails thousands of requests.
const noticeEvery = 30 * time.Second

// notices writes about a destination's health: the first failure, then one line in a while with how many there were,
// and once when it works again.
type notices struct {
	log *slog.Logger

	kinds [Rejected + 1]Seldom

	mu   sync.Mutex
	told time.Time // when trouble was written about that is not over yet; zero when there is none
}

// A Seldom lets a log line through once in a while. Its zero value lets the first one through.
type Seldom struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

// Now reports whether the line is due, and how many were not since the one before.
func (s *Seldom) Now() (skipped int, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.last.IsZero() || now.Sub(s.last) >= noticeEvery {
		skipped, s.skipped, s.last = s.skipped, 0, now
		return skipped, true
	}
	s.skipped++
	return 0, false
}

// outcome notes what became of an attempt.
func (n *notices) outcome(out Outcome) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if out.Verdict == Taken && !n.told.IsZero() {
		n.log.Info("the destination takes data again", "after", now.Sub(n.told).Round(time.Millisecond))
		n.told = time.Time{}
	}
	if out.Err == nil {
		return
	}
	skipped, due := n.kinds[out.Verdict].Now()
	if !due {
		return
	}
	switch out.Verdict {
	case Retry:
		n.told = now
		n.log.Warn("the destination does not take data; it is retried", "error", out.Err, "alike", skipped)
	case Misconfigured:
		n.told = now
		n.log.Error("the destination turns us away; check address and credentials, nothing is dropped", "error", out.Err, "alike", skipped)
	case Rejected:
		n.log.Error("the destination rejected a request for good", "error", out.Err, "alike", skipped)
	case Taken:
		n.log.Warn("the destination took the request with a remark", "error", out.Err, "rejected_items", out.Items, "alike", skipped)
	}
}
