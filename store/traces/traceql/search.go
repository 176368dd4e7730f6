package traceql

import "github.com/sluiceio/sluice/wire"

// All times are Unix ns.

// An ID is an OTLP trace id; shorter ids are padded with leading zeros.
type ID [16]byte

// A Window is a time range, both ends included.
type Window struct{ From, To uint64 }

// A Trace is all stored spans of a trace, without duplicates.
type Trace struct {
	Spans   wire.Request
	Count   int
	Partial bool // there is more than Most
	Most    int  // bytes of one trace that are read
}

// A Search asks for traces with matching spans.
type Search struct {
	Query  *Query
	Window Window
	Limit  int // traces
}

// A Match is a found trace. Its bytes are valid during the callback only.
type Match struct {
	ID       ID
	From, To uint64 // start of the first span, end of the last
	Root     Root
	Services map[string]*ServiceStats
	Spans    []SpanMatch // the matching ones, by start
}

// A Root describes a trace's root: its earliest span without a parent.
type Root struct {
	Found         bool
	Start         uint64
	Name, Service []byte
}

// ServiceStats counts a service's spans in a trace.
type ServiceStats struct{ Spans, Errors int }

// A SpanMatch is a matching span with its resource.
type SpanMatch struct {
	Span, Resource  []byte
	Start, Duration uint64 // ns
}

// A Cost is what a query read.
type Cost struct {
	Traces, Spans int
	Bytes         int64
	Partial       string // why the answer is incomplete, or empty
}

// A TagScan asks for attributes of matching spans.
type TagScan struct {
	Filter *Query
	Window Window
	Limit  int // distinct names of a scope, or values
}

// Tags are unsorted attribute keys by scope.
type Tags struct{ Resource, Span []string }

// A TagValue is an attribute value as text.
type TagValue struct{ Type, Value string }
