package wire

import (
	"errors"
	"fmt"
)

// The reasons of an *Error, which wraps exactly one.
var (
	ErrTruncated    = errors.New("a length or value goes beyond the end of its message")
	ErrVarint       = errors.New("varint of more than 10 bytes")
	ErrFieldNumber  = errors.New("illegal field number")
	ErrWireType     = errors.New("wrong wire type")
	ErrGroup        = errors.New("group, which OTLP does not use")
	ErrIDLength     = errors.New("id of the wrong length")
	ErrPackedLength = errors.New("packed field whose length is no multiple of its elements")
	ErrTooDeep      = fmt.Errorf("arrays and maps nested deeper than %d", MaxDepth)
	ErrTooManyItems = errors.New("more items than allowed")
	ErrTooLarge     = errors.New("more bytes than allowed")
	ErrSignal       = errors.New("unknown signal")
)

// An Error is why and where Check refused a body.
type Error struct {
	Signal Signal
	Path   string // such as resource_logs[3].scope_logs[0].log_records[17].body; empty for the request itself
	Offset int    // byte of the body at which the offending field begins
	Err    error
}

// Error returns signal, place and reason.
func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("malformed %s request at byte %d: %v", e.Signal, e.Offset, e.Err)
	}
	return fmt.Sprintf("malformed %s request at %s (byte %d): %v", e.Signal, e.Path, e.Offset, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }
