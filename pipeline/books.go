package pipeline

import "context"

// Books is where a component is accounted for. Package ledger implements it; the graph hands it out with the Settings.
type Books interface {
	// Drop is the one way to discard records on purpose: n items of a batch whose caller will be told that they were
	// taken (nil). bytes is their share of the request, 0 when unknown.
	Drop(why Reason, sig Signal, items, bytes int)
	// Delivered says that a destination confirmed items. Exporters call it before they answer nil, and also for what
	// arrived after its caller had been refused; the ledger holds the nil answers against it.
	Delivered(sig Signal, items, bytes int)
	// DeliveredAfterRefusal says that items reached a destination although their caller was, or will be, told to send
	// them again: the bound on duplicates of our making.
	DeliveredAfterRefusal(sig Signal, items int)
	// Holding is the account of a receiver that holds batches before it hands them on.
	Holding(sig Signal) Holding
	// Entrance wraps a sink of the component so that every batch is booked, as the graph does. It is for tests.
	Entrance(sig Signal, next Sink) Sink
}

// A Holding books what waits in a receiver as held. Batches that enter here are handed on with the context of Booked, so
// that they are not booked twice, however the receiver wraps its output.
type Holding interface {
	Enter(items, bytes int)                 // it begins to wait
	Leave(items, bytes int, answer error)   // it was handed on and answered
	Evict(why Reason, items, bytes int)     // it will not be handed on
	Booked(context.Context) context.Context // to hand on with
}

// A Reader reads the ledger.
type Reader interface {
	Read() []Statement
	Unaccounted() int64 // items that the ledger cannot explain: 0, or a bug
}

// Amount is telemetry counted in items (data points, log records, spans) and in bytes of OTLP protobuf.
type Amount struct{ Items, Bytes int64 }

// Add adds items and their bytes.
func (a *Amount) Add(items, bytes int) {
	a.Items += int64(items)
	a.Bytes += int64(bytes)
}

// Sub takes b away.
func (a *Amount) Sub(b Amount) {
	a.Items -= b.Items
	a.Bytes -= b.Bytes
}

// Statement is one account of the ledger at one instant.
type Statement struct {
	Component string // kind/id: "exporter/otlp_http"
	Pipeline  string // of a processor, or that a connector gives to; empty otherwise
	Signal    Signal
	Kind      Kind

	In, Out, Refused, Held, Delivered Amount
	Dropped                           map[Reason]Amount // only reasons that occurred
	DeliveredAfterRefusal             int64             // items
}
