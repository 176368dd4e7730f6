package traceql

import "fmt"

// An Error says what is wrong with a query and where. Its text has the form that Grafana's editor reads to mark the
// place.
type Error struct {
	Line, Col   int // from 1; Col counts characters
	Msg         string
	Unsupported bool // it is TraceQL, but not of the part that is answered here
}

func (e *Error) Error() string {
	return fmt.Sprintf("invalid TraceQL query: parse error at line %d, col %d: %s", e.Line, e.Col, e.Msg)
}
