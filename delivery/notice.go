package delivery

import (
	"log/slog"
	"sync"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
)

// notices logs a destination's health: one line per cause and minute, and one on recovery.
type notices struct {
	log   *slog.Logger
	again string // what becomes of a request that was not taken

	mu     sync.Mutex
	causes map[cause]*throttle.Line
	cut    throttle.Line
	told   time.Time // when trouble was written about that is not over yet; zero when there is none
}

// newNotices says in its lines whether the Sender sends again, or leaves that to its callers.
func newNotices(log *slog.Logger, o *Options) notices {
	if o.Retry.Enabled || o.Queue.OnDisk() {
		return notices{log: log, again: "requests are sent again"}
	}
	return notices{log: log, again: "retry_on_failure is off, so callers are told to send again"}
}

// cause is what lines are throttled by.
type cause struct {
	verdict answer.Verdict
	code    string
	reason  pipeline.Reason
}

func (n *notices) outcome(out answer.Outcome) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if out.Verdict == answer.Taken && !n.told.IsZero() {
		n.log.Info("the destination accepts data again", "after", now.Sub(n.told).Round(time.Millisecond))
		n.told = time.Time{}
	}
	if out.Err == nil {
		return
	}
	key := cause{out.Verdict, out.Code, out.Reason}
	line := n.causes[key]
	if line == nil {
		if n.causes == nil {
			n.causes = map[cause]*throttle.Line{}
		}
		line = &throttle.Line{}
		n.causes[key] = line
	}
	suppressed, due := line.Now()
	if !due {
		return
	}
	switch out.Verdict {
	case answer.Retry:
		n.told = now
		n.log.Warn("the destination does not accept data; "+n.again, "error", out.Err, "suppressed", suppressed)
	case answer.Misconfigured:
		n.told = now
		n.log.Error("the destination refuses our requests; check endpoint, credentials and headers; nothing is dropped, "+n.again, "error", out.Err, "suppressed", suppressed)
	case answer.Rejected:
		n.log.Error("the destination rejected a request; its bad records are dropped and counted by reason, the others are sent again", "error", out.Err, "suppressed", suppressed)
	case answer.Taken:
		n.log.Warn("the destination accepted a request with a partial success: it rejected some items, or sent a warning", "error", out.Err, "rejected_items", out.Items, "suppressed", suppressed)
	}
}

// broken tells of answers that broke off twice.
func (n *notices) broken(items int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if suppressed, due := n.cut.Now(); due {
		n.log.Warn("the destination said twice that it took a request, but its answers broke off; the request counts as delivered, though a partial success may have been lost with them",
			"items", items, "suppressed", suppressed)
	}
}
