package logql

import (
	"fmt"
	"strings"
)

// An Error is a fault in a query and where it stands.
type Error struct {
	Line, Col   int // from 1; Col counts bytes
	Msg         string
	Unsupported string // the construct, when the query is LogQL but not of the subset done here
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

// unsupportedAt makes the Error for a construct that LogQL has and this package has not.
func unsupportedAt(query string, pos int, construct string) *Error {
	e := errorAt(query, pos, "%q is LogQL that this store does not do", construct)
	e.Unsupported = construct
	return e
}
