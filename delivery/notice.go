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

	mu    sync.Mutex
	kinds [Rejected + 1]notice
	told  time.Time // when trouble was written about that is not over yet; zero when there is none
}

type notice struct {
	last    time.Time
	skipped int
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
	k := &n.kinds[out.Verdict]
	if now.Sub(k.last) < noticeEvery {
		k.skipped++
		return
	}
	skipped := k.skipped
	*k = notice{last: now}
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
