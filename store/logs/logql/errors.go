package logql

import (
	"fmt"
	"strings"
)

// An Error is a fault in a query.
type Error struct {
	Line, Col   int // from 1; Col counts bytes
	Msg         string
	Unsupported string // the construct, if it is valid LogQL
}

// Error has Loki's format, which Grafana shows below the query.
func (e *Error) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
}

// errorAt makes an Error at a byte offset.
func errorAt(query string, pos int, format string, args ...any) *Error {
	before := query[:min(pos, len(query))]
	return &Error{
		Line: 1 + strings.Count(before, "\n"),
		Col:  1 + len(before) - (strings.LastIndexByte(before, '\n') + 1),
		Msg:  fmt.Sprintf(format, args...),
	}
}

// unsupportedAt makes the Error for unsupported LogQL.
func unsupportedAt(query string, pos int, construct string) *Error {
	e := errorAt(query, pos, "%q is not supported", construct)
	e.Unsupported = construct
	return e
}

// An EvalError is a query fault found during evaluation, such as an exceeded limit. The message says what to write
// instead.
type EvalError struct{ Msg string }

func (e *EvalError) Error() string { return e.Msg }

// EvalErrorf makes an EvalError.
func EvalErrorf(format string, args ...any) *EvalError {
	return &EvalError{fmt.Sprintf(format, args...)}
}
