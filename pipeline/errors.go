package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Refused means "not now": the batch was not taken and may be sent again as a whole. A receiver answers 503 or
// UNAVAILABLE (429 or RESOURCE_EXHAUSTED if Overload) with After; a tailer retries.
type Refused struct {
	Err      error
	After    time.Duration // how long to wait; 0 when the sink has no opinion
	Overload bool          // the destination is there but asks for less (429), rather than away
}

// Refuse makes a Refused.
func Refuse(after time.Duration, err error) *Refused { return &Refused{Err: err, After: after} }

func (r *Refused) Error() string { return words(r.Err, "refused") }
func (r *Refused) Unwrap() error { return r.Err }

// Rejected means "never": some items will not be taken, the others were. A receiver answers 400, or a partial
// success if some were taken.
type Rejected struct {
	Err    error
	Reason Reason
	Ranges Ranges // which items; nil when only Count is known
	Count  int    // how many, without Ranges; 0 means all
}

func words(cause error, verdict string) string {
	if cause == nil {
		return verdict + " without a reason"
	}
	return cause.Error()
}

// Reject makes a Rejected with a count; 0 means all items.
func Reject(count int, why Reason, err error) *Rejected {
	return &Rejected{Err: err, Count: count, Reason: why}
}

func (r *Rejected) Error() string { return words(r.Err, "rejected") }
func (r *Rejected) Unwrap() error { return r.Err }

// Len is the number of items; 0 when it means all.
func (r *Rejected) Len() int {
	if r.Ranges != nil {
		return r.Ranges.Len()
	}
	return r.Count
}

// AsRefused returns the refusal in err. Every error is one, except nil and pure rejections. See Read for wrapped
// errors.
func AsRefused(err error) (*Refused, bool) {
	switch e := answerIn(err).(type) {
	case *Answer:
		a := e.sound()
		return a.Refusal, a.Refusal != nil
	case *Rejected:
		return nil, false
	case *Refused:
		return e, true
	}
	if err == nil {
		return nil, false
	}
	return &Refused{Err: err}, true
}

// AsRejected returns the rejections as one, with the first reason, if err refuses nothing.
func AsRejected(err error) (*Rejected, bool) {
	switch e := answerIn(err).(type) {
	case *Answer:
		a := e.sound()
		if a.Refusal != nil || len(a.Rejected) == 0 {
			return nil, false
		}
		return Reject(a.RejectedItems(), a.Rejected[0].Reason, err), true
	case *Rejected:
		return e, true
	}
	return nil, false
}

// Withdrawn is the answer to a caller whose context ended, or whose sink was drained, before the batch was safe.
func Withdrawn(ctx context.Context) *Refused {
	if ctx.Err() == nil {
		return Refuse(0, errors.New("the drain ended before the batch was safe"))
	}
	return Refuse(0, fmt.Errorf("the caller's time ended before the batch was safe: %w", context.Cause(ctx)))
}

// Reason is why records were dropped. The list is closed: it is a metric label that alert rules use.
type Reason string

// The reasons, grouped by who decided.
const (
	// The configuration.
	DropFiltered   Reason = "filtered"   // a filter matched
	DropAggregated Reason = "aggregated" // folded into other records
	DropSampled    Reason = "sampled"
	DropUnrouted   Reason = "unrouted" // no route matched, and there are no default pipelines

	// The destination cannot take the record.
	DropInvalid     Reason = "invalid"       // malformed, or outside what the destination can represent
	DropTooLarge    Reason = "too_large"     // over a size limit that no splitting helps against
	DropTooOld      Reason = "too_old"       // older than the destination's window or retention
	DropTooNew      Reason = "too_far_ahead" // timestamp in the future beyond tolerance
	DropDuplicate   Reason = "duplicate"     // same identity and time, other value
	DropOutOfOrder  Reason = "out_of_order"
	DropUnsupported Reason = "unsupported"        // for example delta temporality into Prometheus
	DropRejected    Reason = "rejected"           // the destination answered "never" (400, partial success)
	DropUndivided   Reason = "rejected_undivided" // in a rejected request; not tried alone, since there were too many to try

	// We could not hold it.
	DropBacklogFull     Reason = "backlog_full"      // a source that cannot wait overran its backlog
	DropQueueOldest     Reason = "queue_full_oldest" // on_full: drop_oldest
	DropQueueNewest     Reason = "queue_full_newest" // on_full: drop_newest
	DropQueueAge        Reason = "queue_age"         // stored for longer than max_age
	DropOperator        Reason = "operator"          // `queue drop` on a running process
	DropShutdown        Reason = "shutdown_timeout"  // not delivered when the drain's time ended
	DropRotatedUnread   Reason = "rotated_unread"    // a file was removed before it was read to its end
	DropTruncatedUnread Reason = "truncated_unread"  // a file shrank before it was read to its end
	DropCorrupt         Reason = "disk_corrupt"      // stored bytes failed their checksum
	DropOverflow        Reason = "overflow"          // a limit on series, lines or size of the source was passed
)

// Reasons lists every reason.
var Reasons = [...]Reason{
	DropFiltered, DropAggregated, DropSampled, DropUnrouted,
	DropInvalid, DropTooLarge, DropTooOld, DropTooNew, DropDuplicate, DropOutOfOrder, DropUnsupported, DropRejected, DropUndivided,
	DropBacklogFull, DropQueueOldest, DropQueueNewest, DropQueueAge, DropOperator, DropShutdown, DropRotatedUnread, DropTruncatedUnread, DropCorrupt, DropOverflow,
}
