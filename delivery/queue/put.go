package queue

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

// bigRecord is from when on a record does not keep the next one from being written while it waits for its fsync: nothing
// more needs to gather meanwhile.
const bigRecord = 256 << 10

// fullWait is after what time a refused caller may come again.
const fullWait = time.Second

// Put stores a batch. nil means that it survives a power cut, or that on_full dropped it and it is counted.
func (q *Queue) Put(ctx context.Context, b pipeline.Batch) error {
	q.puts.Add(1)
	defer q.puts.Add(-1)
	if q.shut.Load() {
		return pipeline.Refuse(fullWait, errors.New("the queue is being drained by an operator, and takes nothing; send to another collector"))
	}
	l, err := q.lane(b.Signal, b.Origin)
	if err != nil {
		return pipeline.Refuse(fullWait, err)
	}
	if err := l.gone(); err != nil {
		return pipeline.Refuse(fullWait, err)
	}
	if dropped, err := q.admit(ctx, l, b); dropped || err != nil {
		return err
	}
	return l.putAll(ctx, b, true)
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
			for q.isFull() {
				gone := other.log.DropOldest(1) // one record
				if gone.Records == 0 {
					break
				}
				other.lost(pipeline.DropQueueOldest, gone)
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

// identity tells a folder from another one of its name.
type identity struct{ device, number uint64 }

func identify(dir string) (id identity) {
	var st syscall.Stat_t
	if syscall.Stat(dir, &st) == nil {
		id = identity{uint64(st.Dev), uint64(st.Ino)}
	}
	return id
}

// gone says that the lane's folder was removed or replaced: what is written to its files would be lost with them.
func (l *lane) gone() error {
	if l.folder == (identity{}) {
		return nil
	}
	dir := filepath.Join(l.q.o.Dir, l.name)
	if identify(dir) == l.folder {
		return nil
	}
	if suppressed, due := l.q.removed.Now(); due {
		l.q.o.Log.Error("the folder of the queue was removed or replaced while it was in use; nothing is stored until the process is restarted", "folder", dir, "suppressed", suppressed)
	}
	return fmt.Errorf("the folder %s of the queue was removed or replaced while it was in use; restart the process", dir)
}

func (q *Queue) isFull() bool { return q.fill() >= uint64(q.o.Size) }

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

// store writes a record and waits for its fsync; it gives back the turn to write.
func (l *lane) store(g *gather, o pipeline.Origin) error {
	h := header{signal: l.signal, encoding: l.q.o.Compressor.Encoding(), raw: len(g.body.B), tenant: o.Tenant, route: o.Route}
	body := g.body
	if h.encoding != "" {
		body = l.q.o.Compressor.Compress(g.body.B)
		defer body.Release()
	}
	seq, err := l.log.Put(spool.Record{Header: h.append(nil), Body: body.B, Count: uint32(g.items), Time: time.Now().UnixNano(), Weight: uint64(h.raw)})
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
		l.q.o.Books.Stored(l.signal, g.items, h.raw)
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
