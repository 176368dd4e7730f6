package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

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
	MaybeSent bool // the destination may have it, from an attempt before
	Stored    time.Time

	lane  *lane
	seq   spool.Seq
	buf   *buffer.Buffer  // the record's body is a part of it
	body  []byte          // as it is stored; nil when only a part is left
	batch *pipeline.Batch // inflated
	plain *buffer.Buffer
	begun time.Time
}

// schedule says when a lane's records may be handed out. Queue.mu guards it.
type schedule struct {
	ready  *Item   // read from the log, in order
	back   []*Item // given back, by sequence number; all older than ready
	flying int
	seized bool    // see Seize
	limit  float64 // of flying: adapts between 1 and the number of consumers
	most   float64
	until  time.Time
	fails  int // in a row
	usual  time.Duration
}

func (s *schedule) init(consumers int) { s.limit, s.most = 1, float64(max(consumers, 1)) }

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 30 * time.Second
	maxAsked   = 5 * time.Minute
	// slowFactor is how much slower than usual an answer is when the destination has too much to do.
	slowFactor = 3
)

// fetch reads ahead, one record.
func (l *lane) fetch() {
	q := l.q
	for {
		buf := q.o.Pool.Get(64 << 10)
		e, err := l.reader.Next(context.Background(), buf.B[:cap(buf.B)])
		buf.B = e.Buf
		it, bad := l.item(e, buf, err)
		q.mu.Lock()
		for l.ready != nil && !q.closed {
			q.cond.Wait()
		}
		if q.closed || err != nil && bad == nil {
			q.mu.Unlock()
			buf.Release()
			if q.isClosed() {
				return
			}
			time.Sleep(firstPause) // the disk's error is in the log already
			continue
		}
		if bad != nil {
			q.mu.Unlock()
			buf.Release()
			q.o.Log.Error("a record of the queue cannot be read and is dropped", "lane", l.name, "error", bad)
			l.log.Settle(e.Seq)
			l.lost(pipeline.DropCorrupt, spool.Totals{Count: uint64(e.Count), Bytes: uint64(len(e.Body))})
			continue
		}
		l.ready = it
		q.cond.Broadcast()
		q.mu.Unlock()
	}
}

func (q *Queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

func (l *lane) item(e spool.Entry, buf *buffer.Buffer, err error) (it *Item, bad error) {
	if err != nil {
		return nil, nil
	}
	h, err := parseHeader(e.Header)
	if err != nil {
		return nil, err
	}
	return &Item{
		Signal: h.signal, Origin: pipeline.Origin{Tenant: h.tenant, Route: h.route}, Items: int(e.Count), Size: h.raw, Encoding: h.encoding,
		MaybeSent: e.MaybeSent, Stored: time.Unix(0, e.Time), lane: l, seq: e.Seq, buf: buf, body: e.Body,
	}, nil
}

// Take waits for the next record whose lane may send. Lanes take turns; within one the oldest comes first.
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
	if l.seized || l.flying >= int(l.limit) || now.Before(l.until) {
		return nil
	}
	it := l.next()
	if it == nil {
		return nil
	}
	it.begun = now
	l.flying++
	return it
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
	q.o.Books.Unstored(i.Signal, i.Items)
	q.mu.Lock()
	l.flying--
	l.fails, l.until = 0, time.Time{}
	took := time.Since(i.begun)
	switch {
	case l.usual > 0 && took > slowFactor*l.usual && took > 50*time.Millisecond:
		l.limit = max(1, l.limit*0.9)
	default:
		l.limit = min(l.most, l.limit+1/l.limit)
	}
	if l.usual == 0 {
		l.usual = took
	}
	l.usual += (took - l.usual) / 16
	q.cond.Broadcast()
	q.mu.Unlock()
	i.release()
}

// Back gives an item back that was refused: it is the next one of its lane, not before after has passed, and alone until
// one is taken. rest is what is left of it, nil for all. trouble is false where only the end of the process is the reason.
func (i *Item) Back(rest *pipeline.Batch, after time.Duration, trouble bool) {
	l, q := i.lane, i.lane.q
	if rest != nil {
		q.o.Books.Unstored(i.Signal, i.Items-rest.Items)
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
	l.flying--
	l.giveBack(i)
	if trouble {
		bound := min(firstPause<<min(l.fails, 16), maxPause)
		pause := rand.N(bound) + min(max(after, 0), maxAsked)
		l.fails++
		l.limit = 1
		if until := time.Now().Add(pause); until.After(l.until) {
			l.until = until
			time.AfterFunc(pause, q.wakeAll)
		}
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
