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
}

// Cut is a batch of the items from from up to to, the latter not included, in a buffer of its own.
func (b Batch) Cut(from, to int) Batch {
	return b.CutRanges(nil, NewRanges([]Range{{max(from, 0), min(to, b.Items)}}))
}

// CutRanges is a batch of some of the items, appended to dst.
func (b Batch) CutRanges(dst []byte, items Ranges) Batch {
	for _, r := range items {
		dst = wire.AppendItems(dst, b.Signal, b.Request, r.From, r.To)
	}
	b.Request, b.Items = dst, items.Len()
	return b
}

// Remaining is what is left to send of b when err is the answer for it: the items that were refused. Sources that repeat
// do so with it.
func (b Batch) Remaining(err error) Batch {
	a := Read(err, b.Items)
	if a.Refused.Len() == b.Items {
		return b
	}
	return b.CutRanges(nil, a.Refused)
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
// Nil means that the batch is safe: delivered, or durable, or dropped on purpose and counted. Until then the call waits,
// which is what lets a tailer move its checkpoint and a listener answer 200. Other answers are a *Refused (try again), a
// *Rejected (never), an *Answer when items met different fates, or another error, which counts as a Refused without a
// delay. Read makes an Answer of each. Who hands on other items than it was given does so with HandOn.
//
// Consume never modifies b.Request and keeps no reference to it, in no goroutine and no transport: the caller reuses
// the buffer. Several calls may run at once.
type Sink interface {
	Consume(ctx context.Context, b Batch) error
}

// HandOn gives next a changed batch and translates the answer back for the caller's batch of so many items. m says where the
// items of b were in it; with a nil map a refusal refuses all of them and a rejection is a count. Items that are not in m
// count as taken: whoever removes them books them with Settings.Drop.
func HandOn(ctx context.Context, next Sink, b Batch, items int, m ItemMap) error {
	err := next.Consume(ctx, b)
	if err == nil {
		return nil
	}
	g := NewGather(items)
	g.Add(err, b.Items, m)
	return g.Err()
}

// SinkFunc makes a function a Sink.
type SinkFunc func(ctx context.Context, b Batch) error

// Consume calls f.
func (f SinkFunc) Consume(ctx context.Context, b Batch) error { return f(ctx, b) }
