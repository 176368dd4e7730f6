package traceql

import "github.com/sluiceio/sluice/wire"

// What a trace store is asked, and what it answers. All times are nanoseconds since 1970.

// An ID of a trace as OTLP has it; shorter ids of other systems stand at its end, after zeros.
type ID [16]byte

// A Window is a span of time, both ends included.
type Window struct{ From, To uint64 }

// A Trace is all that is stored of one trace, without repetitions.
type Trace struct {
	Spans   wire.Request
	Count   int
	Partial bool // there is more than Most
	Most    int  // bytes of one trace that are read
}

// A Search looks for the traces that have spans which a query selects.
type Search struct {
	Query  *Query
	Window Window
	Limit  int // traces
}

// A Match is a trace that a search found. Its bytes live only as long as the call that it is handed to.
type Match struct {
	ID       ID
	From, To uint64 // start of the first span, end of the last
	Root     Root
	Services map[string]*ServiceStats
	Spans    []SpanMatch // those that the query selects, by start
}

// A Root is what is told of a trace by its root span: the earliest without a parent.
type Root struct {
	Found         bool
	Start         uint64
	Name, Service []byte
}

// ServiceStats counts the spans of a service in a trace.
type ServiceStats struct{ Spans, Errors int }

// A SpanMatch is a span that a query selects, with its resource.
type SpanMatch struct {
	Span, Resource  []byte
	Start, Duration uint64 // ns; of a span without a start or an end, as the store takes them
}

// A Cost says what was read for an answer.
type Cost struct {
	Traces, Spans int
	Bytes         int64
	Partial       string // why the answer is not all there is; empty when it is, or as long as was asked for
}

// A TagScan asks for the attributes of the spans that a query selects.
type TagScan struct {
	Filter *Query
	Window Window
	Limit  int // distinct names of a scope, or values
}

// Tags are attribute keys by scope, without order.
type Tags struct{ Resource, Span []string }

// A TagValue is a value of an attribute as text, with its type.
type TagValue struct{ Type, Value string }
