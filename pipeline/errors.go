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

	// Divide says that all the Items were turned down because of something in them: if the batch was a merged one, some
	// of its parts may be taken alone.
	Divide bool

	// Rest is where the parts go then, when something else of the batch was taken: a Sink that leaves it out, so that
	// it does not arrive again. Without it nothing was taken, and they go where the whole went.
	Rest Sink
}

// Reject makes a Rejected.
func Reject(items int, why Reason, err error) *Rejected {
	return &Rejected{Err: err, Items: items, Reason: why}
}

func (r *Rejected) Error() string { return r.Err.Error() }
func (r *Rejected) Unwrap() error { return r.Err }

// Apart is the answer for a merged batch whose parts met different fates. To whoever does not look into it, it is a
// Refused if one part is, else a Rejected.
type Apart struct {
	each  []error // in the order of Batch.Parts: nil, *Refused or *Rejected
	items int     // of the batch
}

// ApartOf is the answer for the merged batch b of which each says what became of the parts: nil if all were taken.
func ApartOf(each []error, b Batch) error {
	for _, err := range each {
		if err != nil {
			return &Apart{each, b.Items}
		}
	}
	return nil
}

// AsApart returns what became of each part of b, if err says so.
func AsApart(err error, b Batch) ([]error, bool) {
	var a *Apart
	if !errors.As(err, &a) || len(a.each) != len(b.Parts) || a.items != b.Items {
		return nil, false
	}
	return a.each, true
}

// apartText is what an Apart says, for the errors that it is as a whole: an answer for these parts must not
// be taken for one for others.
type apartText struct{ a *Apart }

func (t apartText) Error() string { return t.a.Error() }

// Error implements error.
func (a *Apart) Error() string {
	n := 0
	var first error
	for _, err := range a.each {
		if err != nil {
			n++
			if first == nil {
				first = err
			}
		}
	}
	return fmt.Sprintf("%d of %d merged requests were not taken, the first of them: %v", n, len(a.each), first)
}

// As lets errors.As see the Refused or the Rejected that the answer is as a whole.
func (a *Apart) As(target any) bool {
	var ref *Refused
	var rej *Rejected
	for _, err := range a.each {
		if r, never := AsRejected(err); never {
			if rej == nil {
				rej = &Rejected{Err: apartText{a}, Reason: r.Reason}
			}
			rej.Items += r.Items
		} else if r, again := AsRefused(err); again {
			if ref == nil {
				ref = &Refused{Err: apartText{a}}
			}
			ref.After, ref.Overload = max(ref.After, r.After), ref.Overload || r.Overload
		}
	}
	switch to := target.(type) {
	case **Refused:
		*to = ref
		return ref != nil
	case **Rejected:
		*to = rej
		return ref == nil && rej != nil
	}
	return false
}

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

// Withdrawn is what a sink answers a caller whose context, or whose own drain, ended before its bytes were safe.
func Withdrawn(ctx context.Context) *Refused {
	if ctx.Err() == nil {
		return Refuse(0, errors.New("the drain ended before the batch was safe"))
	}
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
