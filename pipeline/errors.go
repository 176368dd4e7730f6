package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Refused is the answer "not now": the batch was not taken and may be sent again. A receiver turns it into 503
// or UNAVAILABLE (429 or RESOURCE_EXHAUSTED when Overload) with RetryAfter; a tailer waits and repeats.
type Refused struct {
	Err      error
	After    time.Duration // how long to wait; 0 when the sink has no opinion
	Overload bool          // the destination is there but asks for less (429), rather than away
}

// Refuse makes a Refused.
func Refuse(after time.Duration, err error) *Refused { return &Refused{Err: err, After: after} }

func (r *Refused) Error() string { return r.Err.Error() }
func (r *Refused) Unwrap() error { return r.Err }

// Rejected is the answer "never": Items of the batch will not be taken by anybody on this way; the others, if
// any, were. A receiver turns it into 400, or into a partial success when Items is less than the batch.
type Rejected struct {
	Err    error
	Items  int
	Reason Reason

	// Each says of a merged batch what became of every part: nil, or a *Rejected. It is nil when that is not known.
	Each []error
}

// Reject makes a Rejected.
func Reject(items int, why Reason, err error) *Rejected {
	return &Rejected{Err: err, Items: items, Reason: why}
}

func (r *Rejected) Error() string { return r.Err.Error() }
func (r *Rejected) Unwrap() error { return r.Err }

// AsRejected returns the Rejected inside err, if there is one.
func AsRejected(err error) (*Rejected, bool) {
	var r *Rejected
	ok := errors.As(err, &r)
	return r, ok
}

// AsRefused returns what a caller that may try again has to know. Every error that is not a Rejected is one.
func AsRefused(err error) (*Refused, bool) {
	if err == nil {
		return nil, false
	}
	if _, ok := AsRejected(err); ok {
		return nil, false
	}
	var r *Refused
	if errors.As(err, &r) {
		return r, true
	}
	return &Refused{Err: err}, true
}

// Withdrawn is what a sink answers a caller whose context ended before its bytes were safe.
func Withdrawn(ctx context.Context) *Refused {
	return Refuse(0, fmt.Errorf("the caller's time ended before the batch was safe: %w", context.Cause(ctx)))
}

// Reason says why records were dropped. The list is closed: it is a label of our own metrics and of the alert
// rules that come with them.
type Reason string

// The reasons, grouped by who decided.
const (
	// The configuration wants it so.
	DropFiltered   Reason = "filtered"   // a filter matched
	DropAggregated Reason = "aggregated" // folded into other records
	DropSampled    Reason = "sampled"

	// The record cannot be taken by its destination.
	DropInvalid     Reason = "invalid"       // malformed, or outside what the destination can represent
	DropTooLarge    Reason = "too_large"     // over a size limit that no splitting helps against
	DropTooOld      Reason = "too_old"       // older than the destination's window or retention
	DropTooNew      Reason = "too_far_ahead" // timestamp in the future beyond tolerance
	DropDuplicate   Reason = "duplicate"     // same identity and time, other value
	DropOutOfOrder  Reason = "out_of_order"
	DropUnsupported Reason = "unsupported" // for example delta temporality into Prometheus
	DropRejected    Reason = "rejected"    // the destination answered "never" (400, partial success)

	// We could not hold it.
	DropBacklogFull     Reason = "backlog_full"     // a source that cannot wait overran its hand-over
	DropShutdown        Reason = "shutdown_timeout" // not delivered when the drain's time ended
	DropRotatedUnread   Reason = "rotated_unread"   // a file was removed before it was read to its end
	DropTruncatedUnread Reason = "truncated_unread" // a file shrank before it was read to its end
	DropCorrupt         Reason = "disk_corrupt"     // stored bytes failed their checksum
	DropOverflow        Reason = "overflow"         // a limit on series, lines or size of the source was passed
)

// Reasons is the closed list, in the order above.
var Reasons = [...]Reason{
	DropFiltered, DropAggregated, DropSampled,
	DropInvalid, DropTooLarge, DropTooOld, DropTooNew, DropDuplicate, DropOutOfOrder, DropUnsupported, DropRejected,
	DropBacklogFull, DropShutdown, DropRotatedUnread, DropTruncatedUnread, DropCorrupt, DropOverflow,
}
