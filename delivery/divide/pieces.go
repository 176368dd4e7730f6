package divide

import (
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
)

// Pieces is how a rejected request may be cut apart: into items for OTLP, into whole series for remote write, into
// whole streams for Loki. They are numbered in the order in which they stand in the request.
type Pieces interface {
	Len() int
	// Cut makes a request of the pieces from one index up to another, the latter not included.
	Cut(from, to int) *payload.Payload
	// Items are the items of the batch that have something in these pieces.
	Items(from, to int) pipeline.Ranges
	// Within is how a single piece may be cut apart, into requests that go one after the other; nil when it may not. byTime
	// says that they are in order of time, so that what is before one that is out of order is so, too.
	Within(i int) (inner Pieces, byTime bool)
	// Key is the identity of a piece in this and later batches, for Suspects; 0 if it has none.
	Key(i int) uint64
}

// ByItem is the Pieces of a destination that takes each item by itself, as OTLP does.
func ByItem(b pipeline.Batch, encode func(pipeline.Batch) *payload.Payload) Pieces {
	return itemPieces{b, encode}
}

// itemPieces cuts a request into the items of its batch.
type itemPieces struct {
	batch  pipeline.Batch
	encode func(pipeline.Batch) *payload.Payload
}

func (p itemPieces) Len() int { return p.batch.Items }

func (p itemPieces) Items(from, to int) pipeline.Ranges {
	return pipeline.NewRanges([]pipeline.Range{{From: from, To: to}})
}

func (p itemPieces) Within(int) (Pieces, bool) { return nil, false }

func (p itemPieces) Key(int) uint64 { return 0 }

func (p itemPieces) Cut(from, to int) *payload.Payload { return p.encode(p.batch.Cut(from, to)) }
