package pipeline

import (
	"context"

	"github.com/sluiceio/sluice/wire"
)

// Signal is the kind of telemetry a Batch carries: metrics, logs or traces.
type Signal = wire.Signal

// The signals, in the order in which lists of them are printed.
const (
	Metrics = wire.Metrics
	Logs    = wire.Logs
	Traces  = wire.Traces
)

// Signals lists every signal, in printing order.
var Signals = [...]Signal{Metrics, Logs, Traces}

// A Batch is telemetry of one signal as the body of one OTLP export request.
type Batch struct {
	Signal  Signal
	Request wire.Request // well-formed and canonical: checked once, where it entered
	Items   int          // data points, log records or spans
	Origin  Origin       // from the connection, never from the payload

	// Parts are the requests that were merged into this one, in their order; nil for a request of one source. Whoever
	// changes Request keeps them right, or takes them out.
	Parts []Part
}

// A Part is one of the requests that were merged: a whole request of its own, behind the one before it.
type Part struct {
	End   int // where it ends in the merged request, and the next one begins
	Items int
}

// Range is the batch of the parts from i to j, the latter not included. It shares the request's bytes.
func (b Batch) Range(i, j int) Batch {
	start := 0
	if i > 0 {
		start = b.Parts[i-1].End
	}
	parts := b.Parts[i:j]
	r := Batch{Signal: b.Signal, Request: b.Request[start:parts[len(parts)-1].End], Origin: b.Origin}
	for _, p := range parts {
		r.Items += p.Items
		if len(parts) > 1 {
			r.Parts = append(r.Parts, Part{End: p.End - start, Items: p.Items})
		}
	}
	return r
}

// Origin says where a batch came from as far as the connection proves it. Batches of different tenant or route
// are never merged.
type Origin struct {
	Tenant   string // from the authenticated identity; empty without one
	Route    string // set by a routing processor; empty without one
	Peer     string // address of the other side, host:port; empty for sources of our own
	Identity string // the authenticated identity, for logs; empty without one
}

// A Sink takes batches.
//
// Nil means that the batch is safe: delivered, or durable, or dropped on purpose and counted. The call is
// synchronous up to that point, which is what lets a tailer move its checkpoint and a listener answer 200.
//
// Any other answer is a *Refused (try again), a *Rejected (never again), or a plain error, which counts as
// Refused without a delay.
//
// Consume never modifies b.Request, and holds no reference to it when it returns, in no goroutine and in no
// transport: the caller reuses the buffer. Several calls may run at once.
type Sink interface {
	Consume(ctx context.Context, b Batch) error
}

// SinkFunc makes a function a Sink.
type SinkFunc func(ctx context.Context, b Batch) error

// Consume calls f.
func (f SinkFunc) Consume(ctx context.Context, b Batch) error { return f(ctx, b) }

// Outputs is what a receiver writes to: one Sink a signal. A signal that no pipeline of the receiver takes has
// none, and For answers nil.
type Outputs struct {
	metrics, logs, traces Sink
}

// OutputsTo gives every listed signal the same sink. Tests use it; the graph fills Outputs itself.
func OutputsTo(s Sink, signals ...Signal) Outputs {
	var o Outputs
	for _, sig := range signals {
		o.set(sig, s)
	}
	return o
}

// For returns the sink of a signal, or nil if nothing takes it.
func (o Outputs) For(s Signal) Sink {
	switch s {
	case Metrics:
		return o.metrics
	case Logs:
		return o.logs
	case Traces:
		return o.traces
	}
	return nil
}

func (o *Outputs) set(s Signal, k Sink) {
	switch s {
	case Metrics:
		o.metrics = k
	case Logs:
		o.logs = k
	case Traces:
		o.traces = k
	}
}
