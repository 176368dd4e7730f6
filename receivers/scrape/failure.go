package scrape

import (
	"context"
	"errors"
	"net"

	"github.com/sluiceio/sluice/wire/template"
)

// reason says why a scrape failed. The list is closed: it is a label of our own metrics.
type reason string

const (
	reasonConnect     reason = "connect"      // no connection, or it broke
	reasonTimeout     reason = "timeout"      // scrape_timeout
	reasonStatus      reason = "status"       // an answer other than 200
	reasonBodySize    reason = "body_size"    // body_size_limit
	reasonFormat      reason = "format"       // a content type or encoding that is not read
	reasonInvalid     reason = "invalid"      // the exposition has a fault
	reasonSampleLimit reason = "sample_limit" //
	reasonLabelLimit  reason = "label_limit"  // one of the three limits on labels
	reasonTargetLimit reason = "target_limit" // the job has too many targets
)

// reasons is the closed list.
var reasons = [...]reason{
	reasonConnect, reasonTimeout, reasonStatus, reasonBodySize, reasonFormat, reasonInvalid, reasonSampleLimit,
	reasonLabelLimit, reasonTargetLimit,
}

// failure is why a scrape failed.
type failure struct {
	reason reason
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// reasonOf tells a timeout from another error.
func reasonOf(ctx context.Context, err error, other reason) reason {
	var n net.Error
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout() {
		return reasonTimeout
	}
	return other
}

// reasonFor is the reason in an error of a scrape, wherever it comes from.
func reasonFor(err error) reason {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f.reason
	case errors.Is(err, template.ErrSampleLimit):
		return reasonSampleLimit
	case errors.Is(err, template.ErrLabelLimit):
		return reasonLabelLimit
	case errors.Is(err, template.ErrFormat):
		return reasonFormat
	}
	return reasonInvalid
}
