package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

// bigRecord is from when on a record does not keep the next one from being written while it waits for its fsync: nothing
// more needs to gather meanwhile.
const bigRecord = 256 << 10

// fullWait is after what time a refused caller may come again.
const fullWait = time.Second

// A gather is the callers whose batches become one record: compressed once, and one request on the wire.
type gather struct {
	body  *buffer.Buffer
	items int
	left  int // items of callers that were refused at their deadline; they are stored all the same
	done  chan struct{}
	err   error
}

// Put stores a batch. nil means that it survives a power cut, or that on_full dropped it and it is counted.
func (q *Queue) Put(ctx context.Context, b pipeline.Batch) error {
	if q.shut.Load() {
		return pipeline.Refuse(fullWait, errors.New("the queue is being drained by an operator, and takes nothing; send to another collector"))
	}
	l, err := q.lane(b.Signal, b.Origin)
	if err != nil {
		return pipeline.Refuse(fullWait, err)
	}
	if dropped, err := q.admit(ctx, l, b); dropped || err != nil {
		return err
	}
	return l.put(ctx, b)
}

// admit waits for room, makes it, or says that there is none.
func (q *Queue) admit(ctx context.Context, l *lane, b pipeline.Batch) (dropped bool, err error) {
	if !q.isFull() {
		return false, nil
	}
	switch q.o.OnFull {
	case Block:
		return false, q.awaitRoom(ctx)
	case DropNewest:
		q.o.Books.Drop(pipeline.DropQueueNewest, b.Signal, b.Items, len(b.Request))
		return true, nil
	case DropOldest:
		for _, other := range append([]*lane{l}, q.all()...) { // its own first
			if gone := other.log.DropOldest(int64(max(len(b.Request), 64<<10))); gone.Records > 0 {
				other.lost(pipeline.DropQueueOldest, gone)
				if !q.isFull() {
					return false, nil
				}
			}
		}
		if !q.isFull() {
			return false, nil
		}
	}
	if suppressed, due := q.full.Now(); due {
		q.o.Log.Warn("the queue is full; new data is refused until the destination accepts some; senders keep theirs", "queue_size", q.o.Size, "sizer", q.o.Sizer, "suppressed", suppressed)
	}
	return false, &pipeline.Refused{Err: fmt.Errorf(`the queue on disk is full ("queue_size": %d %s)`, q.o.Size, q.o.Sizer), After: fullWait, Overload: true}
}

func (q *Queue) isFull() bool {
	var t spool.Totals
	for _, l := range q.all() {
		u := l.log.Stats().Unsettled
		t.Records, t.Count, t.Bytes = t.Records+u.Records, t.Count+u.Count, t.Bytes+u.Bytes
	}
	n := t.Records
	switch q.o.Sizer {
	case "items":
		n = t.Count
	case "bytes":
		n = t.Bytes
	}
	return n >= uint64(q.o.Size)
}

func (q *Queue) awaitRoom(ctx context.Context) error {
	defer context.AfterFunc(ctx, q.wakeAll)()
	for q.isFull() {
		q.mu.Lock()
		if ctx.Err() == nil && !q.closed {
			q.cond.Wait()
		}
		closed := q.closed
		q.mu.Unlock()
		if ctx.Err() != nil {
			return pipeline.Withdrawn(ctx)
		}
		if closed {
			return pipeline.Refuse(0, spool.ErrClosed)
		}
	}
	return nil
}

// put adds a batch to the record that gathers. The first caller of a record writes it, for all.
func (l *lane) put(ctx context.Context, b pipeline.Batch) error {
	l.mu.Lock()
	g := l.open
	leads := g == nil || len(g.body.B)+len(b.Request) > l.q.o.MaxRecord
	if leads {
		g = &gather{body: l.q.o.Pool.Get(len(b.Request)), done: make(chan struct{})}
		l.open = g // one that gathered before has its own writer
	}
	g.body.B = append(g.body.B, b.Request...)
	g.items += b.Items
	l.mu.Unlock()
	if leads {
		l.write(g, b.Origin)
		return g.err
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-g.done:
		return g.err
	default:
		g.left += b.Items
		return pipeline.Withdrawn(ctx)
	}
}

// write stores what gathered until the record before it was written.
func (l *lane) write(g *gather, o pipeline.Origin) {
	l.commit <- struct{}{}
	l.mu.Lock()
	if l.open == g {
		l.open = nil
	}
	l.mu.Unlock()
	err := l.store(g, o)
	l.mu.Lock()
	g.err = err
	left := g.left
	close(g.done)
	l.mu.Unlock()
	if err == nil && left > 0 {
		l.q.o.Books.DeliveredAfterRefusal(l.signal, left)
	}
	g.body.Release()
}

// store writes a record and waits for its fsync; it gives back the turn to write.
func (l *lane) store(g *gather, o pipeline.Origin) error {
	h := header{signal: l.signal, encoding: l.q.o.Compressor.Encoding(), raw: len(g.body.B), tenant: o.Tenant, route: o.Route}
	body := g.body
	if h.encoding != "" {
		body = l.q.o.Compressor.Compress(g.body.B)
		defer body.Release()
	}
	seq, err := l.log.Put(spool.Record{Header: h.append(nil), Body: body.B, Count: uint32(g.items), Time: time.Now().UnixNano()})
	if err == nil && h.raw >= bigRecord {
		<-l.commit
		err = l.log.Durable(context.Background(), seq)
	} else {
		if err == nil {
			err = l.log.Durable(context.Background(), seq)
		}
		<-l.commit
	}
	switch {
	case err == nil:
		l.q.o.Books.Stored(l.signal, g.items)
		return nil
	case errors.Is(err, spool.ErrTooLarge):
		return pipeline.Reject(0, pipeline.DropTooLarge, err)
	case errors.Is(err, spool.ErrFull):
		if suppressed, due := l.q.full.Now(); due {
			l.q.o.Log.Warn("not enough free disk space for the queue; new data is refused; free some space", "error", err, "suppressed", suppressed)
		}
		return &pipeline.Refused{Err: fmt.Errorf("the disk of the queue is too full: %w", err), After: fullWait, Overload: true}
	}
	return pipeline.Refuse(fullWait, fmt.Errorf("cannot store in the queue: %w", err))
}
