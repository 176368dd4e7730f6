package pipeline

import "context"

// Books is a component's access to the ledger.
type Books interface {
	// Drop must be called for records discarded on purpose, of a batch that is answered with nil. bytes is their
	// share of the request, 0 if unknown.
	Drop(why Reason, sig Signal, items, bytes int)
	// Delivered must be called when a destination confirms items: before Consume returns nil, and also when the
	// caller was already refused. The ledger compares it with the nil answers.
	Delivered(sig Signal, items, bytes int)
	// DeliveredAfterRefusal says that items are perhaps delivered twice: their caller will send them again, or an attempt
	// before may have arrived. It bounds the duplicates that we cause.
	DeliveredAfterRefusal(sig Signal, items int)
	// Stored says that items are durable in a queue: they are answered nil, and Delivered or Lost follows, perhaps in
	// another process. Unstored says that they are in it no more; call it after Delivered.
	Stored(sig Signal, items, bytes int)
	Unstored(sig Signal, items, bytes int)
	// Restored says what a queue held when it was opened.
	Restored(sig Signal, held Amount)
	// Lost must be called for what is discarded out of a queue, before Unstored.
	Lost(why Reason, sig Signal, items, bytes int)
	// Holding is the account of a receiver that queues batches.
	Holding(sig Signal) Holding
	// Entrance wraps a sink so that every batch is booked, as the graph does. For tests.
	Entrance(sig Signal, next Sink) Sink
}

// A Holding books the batches that wait in a receiver. Hand them on with the context of Booked, or they are booked
// twice.
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

// Amount is a number of items (data points, log records, spans) and of OTLP protobuf bytes.
type Amount struct{ Items, Bytes int64 }

// Add adds items and bytes.
func (a *Amount) Add(items, bytes int) {
	a.Items += int64(items)
	a.Bytes += int64(bytes)
}

// Sub subtracts b.
func (a *Amount) Sub(b Amount) {
	a.Items -= b.Items
	a.Bytes -= b.Bytes
}

// Statement is a snapshot of one account.
type Statement struct {
	Component string // kind/id: "exporter/otlp_http"
	Pipeline  string // of a processor, or that a connector gives to; empty otherwise
	Signal    Signal
	Kind      Kind

	In, Out, Refused, Held, Delivered Amount
	// Of an exporter with a queue on disk: StoredAtStart + Out = Delivered + what was dropped out of the queue + Stored. In
	// bytes, too, as long as no request was divided: the parts repeat what is common.
	Stored, StoredAtStart Amount
	Dropped               map[Reason]Amount // only reasons that occurred
	DeliveredAfterRefusal int64             // items
}
