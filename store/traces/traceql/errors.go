package traceql

import "fmt"

// An Error is a fault in a query. Grafana's editor marks the position it finds in the text.
type Error struct {
	Line, Col   int // from 1; Col counts characters
	Msg         string
	Unsupported bool // valid TraceQL, but not supported here
}

func (e *Error) Error() string {
	return fmt.Sprintf("invalid TraceQL query: parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
}
