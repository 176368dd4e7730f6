package logql

import (
	"fmt"
	"strings"
)

// An Error is a fault in a query and where it stands.
type Error struct {
	Line, Col   int // from 1; Col counts bytes
	Msg         string
	Unsupported string // the construct, when the query is LogQL but not of the subset supported here
}

// Error has the form of Loki's own messages, which Grafana shows below the query.
func (e *Error) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
}

// errorAt makes an Error for a byte offset.
func errorAt(query string, pos int, format string, args ...any) *Error {
	before := query[:min(pos, len(query))]
	return &Error{
		Line: 1 + strings.Count(before, "\n"),
		Col:  1 + len(before) - (strings.LastIndexByte(before, '\n') + 1),
		Msg:  fmt.Sprintf(format, args...),
	}
}

// unsupportedAt makes the Error for a construct of LogQL that is not supported.
func unsupportedAt(query string, pos int, construct string) *Error {
	e := errorAt(query, pos, "%q is not supported", construct)
	e.Unsupported = construct
	return e
}

// An EvalError is a fault of a query that shows only while it is evaluated: it needs more than one query is given, or a
// stage could not process a row. The message says what to write instead.
type EvalError struct{ Msg string }

func (e *EvalError) Error() string { return e.Msg }

// EvalErrorf makes an EvalError.
func EvalErrorf(format string, args ...any) *EvalError {
	return &EvalError{fmt.Sprintf(format, args...)}
}
