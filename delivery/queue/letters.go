package queue

import (
	"errors"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

const (
	lettersDir = "dead_letters"
	maxWords   = 1 << 10
)

// Bury keeps what was rejected in the end, with the destination's words. If it rejected a count of which nobody says which
// items it means, all of b is kept, with that count. The oldest letters make room for new ones: they were counted as dropped
// already.
func (q *Queue) Bury(b pipeline.Batch, why *pipeline.Rejected) {
	if q.letters == nil || b.Items == 0 {
		return
	}
	words := ""
	if why.Err != nil {
		words = why.Err.Error()
	}
	h := header{
		signal: b.Signal, encoding: q.o.Compressor.Encoding(), raw: len(b.Request), tenant: b.Origin.Tenant, route: b.Origin.Route,
		reason: string(why.Reason), words: words[:min(len(words), maxWords)],
	}
	if n := why.Len(); why.Ranges == nil && n < b.Items {
		h.rejected = n
	}
	body := q.o.Compressor.Compress(b.Request)
	defer body.Release()
	rec := spool.Record{Header: h.append(nil), Body: body.B, Count: uint32(b.Items), Time: time.Now().UnixNano()}
	_, err := q.letters.Put(rec)
	if errors.Is(err, spool.ErrFull) {
		q.letters.DropOldest(int64(len(rec.Body) + len(rec.Header) + 4096))
		_, err = q.letters.Put(rec)
	}
	if err != nil {
		if suppressed, due := q.full.Now(); due {
			q.o.Log.Warn("a dead letter cannot be kept; it is counted as dropped", "error", err, "suppressed", suppressed)
		}
	}
}
