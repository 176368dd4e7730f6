package divide

import (
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
)

// Pieces is how a rejected request can be cut: into items for OTLP, whole series for remote write, whole streams
// for Loki. They are numbered in request order.
type Pieces interface {
	Len() int
	// Cut makes a request of the pieces in [from, to).
	Cut(from, to int) *payload.Payload
	// Items are the batch items with data in these pieces.
	Items(from, to int) pipeline.Ranges
	// Within is how a single piece can be cut into requests sent in order; nil if it cannot. byTime says that they
	// are in time order: everything before an out-of-order one is out of order too.
	Within(i int) (inner Pieces, byTime bool)
	// Key is the identity of a piece in this and later batches, for Suspects; 0 if it has none.
	Key(i int) uint64
}

// ByItem is the Pieces of a destination that accepts single items, such as OTLP.
func ByItem(b pipeline.Batch, encode func(pipeline.Batch) *payload.Payload) Pieces {
	return itemPieces{b, encode}
}

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
