package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/delivery/pace"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

// An Item is a record that was handed out: Settle it, or give it Back.
type Item struct {
	Signal    pipeline.Signal
	Origin    pipeline.Origin
	Items     int // that are not settled yet
	Size      int // of their OTLP request, in bytes
	Encoding  string
	MaybeSent bool // the destination may have it, or a part of it, from an attempt before
	// Unanswered is true after an attempt without an answer, and when nobody knows, after a restart.
	Unanswered bool
	Stored     time.Time

	lane  *lane
	from  *stream
	seq   spool.Seq
	buf   *buffer.Buffer  // the record's body is a part of it
	body  []byte          // as it is stored; nil when only a part is left
	batch *pipeline.Batch // inflated
	plain *buffer.Buffer
	begun time.Time

	taken  pipeline.Amount // of the stored record, by attempts before
	weight int64           // in Queue.lent, while it is handed out
}

// weigh is the memory that an item may take: as it is stored, and inflated.
func (i *Item) weigh() int64 {
	n := int64(len(i.body))
	if i.Encoding != "" || i.body == nil {
		n += int64(i.Size)
	}
	return n
}

// affords reports whether there is memory for the next item. What was given back does not count, or a lane that is refused
// would hold the others. Queue.mu is held.
func (s *stream) affords(q *Queue) bool {
	it := s.ready
	if len(s.back) > 0 {
		it = s.back[0]
	}
	return q.o.Memory <= 0 || q.lent == 0 || q.lent+it.weigh() <= q.o.Memory
}

// schedule says when a lane's records may be handed out. Queue.mu guards it.
type schedule struct {
	live, late stream // late is used with FreshFirst only
	turn       int    // live records since a late one
	pace       pace.Pace
	seized     bool // see Seize
}

// firstPause is the wait before a disk is read again that gave an error.
const firstPause = 200 * time.Millisecond

func (l *lane) item(from *stream, e spool.Entry, buf *buffer.Buffer, err error) (it *Item, bad error) {
	if err != nil {
		return nil, nil
	}
	h, err := parseHeader(e.Header)
	if err != nil {
		return nil, err
	}
	it = &Item{
		Signal: h.signal, Origin: pipeline.Origin{Tenant: h.tenant, Route: h.route}, Items: int(e.Count), Size: h.raw, Encoding: h.encoding,
		MaybeSent: e.MaybeSent, Unanswered: e.MaybeSent, Stored: time.Unix(0, e.Time), lane: l, from: from, seq: e.Seq, buf: buf, body: e.Body,
	}
	if r := l.restOf(e.Seq, e.Time); r != nil {
		it.shorten(r, l.q.o.Pool)
	}
	return it, nil
}

// Take waits for the next record whose lane may send. Lanes take turns; within one the oldest comes first, or with FreshFirst
// the live data.
func (q *Queue) Take(ctx context.Context) (*Item, error) {
	defer context.AfterFunc(ctx, q.wakeAll)()
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if q.closed {
			return nil, spool.ErrClosed
		}
		now := time.Now()
		for i := range q.order {
			l := q.order[(q.turn+i)%len(q.order)]
			if it := l.takeLocked(now); it != nil {
				q.turn = (q.turn + i + 1) % len(q.order)
				return it, nil
			}
		}
		q.cond.Wait()
	}
}

func (l *lane) takeLocked(now time.Time) *Item {
	if l.seized || l.flying() >= l.pace.Limit() || l.pace.Pauses(now) {
		return nil
	}
	from := l.streamLocked(now)
	if from == nil {
		return nil
	}
	if !from.affords(l.q) {
		return nil
	}
	it := l.next(from)
	it.weight = it.weigh()
	l.q.lent += it.weight
	it.begun = now
	from.flying++
	return it
}

// Key names the record, and what is left of it, also after a restart. No other record of the exporter has it.
func (i *Item) Key() string {
	b := append(make([]byte, 0, 96), i.lane.name...)
	for _, n := range [...]int64{int64(i.seq), i.Stored.UnixNano(), int64(i.Items)} {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	return string(b)
}

// Body is the record as it is stored, compressed by Encoding; nil when a part of it is settled.
func (i *Item) Body() []byte { return i.body }

// Batch is what is not settled yet. It is lent until Settle or Back.
func (i *Item) Batch() (pipeline.Batch, error) {
	if i.batch != nil {
		return *i.batch, nil
	}
	plain := i.body
	if i.Encoding != "" {
		i.plain = i.buf.Pool().Get(i.Size)
		b, err := inflate.Bytes(i.plain.B[:0], i.body, i.Encoding, inflate.Limits{Max: max(i.Size, 1)})
		if err != nil {
			return pipeline.Batch{}, fmt.Errorf("cannot inflate a stored record: %w", err)
		}
		i.plain.B = b
		plain = b
	}
	i.batch = &pipeline.Batch{Signal: i.Signal, Request: plain, Items: i.Items, Origin: i.Origin}
	return *i.batch, nil
}

// Settle says that all of the item has met its fate: delivered, or dropped and counted.
func (i *Item) Settle() {
	l, q := i.lane, i.lane.q
	l.log.Settle(i.seq)
	q.o.Books.Unstored(i.Signal, i.Items, i.Size)
	q.mu.Lock()
	i.from.flying--
	q.lent -= i.weight
	l.pace.Answered(i.begun)
	q.cond.Broadcast()
	q.mu.Unlock()
	i.release()
}

// Back gives an item back that was refused: it is the next one of its lane, after a pause. rest is what is left of it, nil for
// all. why is nil where only the end of the process is the reason.
func (i *Item) Back(rest *pipeline.Batch, why *pipeline.Refused) {
	l, q := i.lane, i.lane.q
	if rest != nil {
		q.o.Books.Unstored(i.Signal, i.Items-rest.Items, i.Size-len(rest.Request))
		i.taken.Add(i.Items-rest.Items, i.Size-len(rest.Request))
		own := i.buf.Pool().Copy(rest.Request)
		b := *rest
		b.Request = own.B
		i.drop()
		i.plain, i.batch, i.body = own, &b, nil
		i.Items, i.Size = b.Items, len(b.Request)
	}
	i.MaybeSent = true
	q.mu.Lock()
	defer q.mu.Unlock()
	i.from.flying--
	q.lent -= i.weight
	l.giveBack(i)
	if why != nil {
		time.AfterFunc(l.pace.Refused(i.begun, why.After, why.Overload), q.wakeAll)
	}
	q.cond.Broadcast()
}

// release gives back the memory.
func (i *Item) release() {
	i.drop()
	if i.buf != nil {
		i.buf.Release()
		i.buf = nil
	}
}

func (i *Item) drop() {
	if i.plain != nil {
		i.plain.Release()
	}
	i.plain, i.batch = nil, nil
}
