package queue

import (
	"context"
	"io"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

const (
	// freshFor is the age from which a record is backlog, when it is its turn.
	freshFor = 5 * time.Second
	// lateShare is the backlog's share while there is live data: one of so many requests.
	lateShare = 4
	// maxSpans bounds the pieces of backlog; beyond it live data waits until the oldest is gone.
	maxSpans = 512
)

// A stream is records of a lane in order: all of them, or with FreshFirst either the live data or the backlog.
type stream struct {
	ready  *Item   // read from the log, in order
	back   []*Item // given back, by sequence number; all older than ready
	flying int
}

func (s *stream) has() bool { return s.ready != nil || len(s.back) > 0 }

// A span is a piece of backlog that live data went ahead of.
type span struct{ from, to spool.Seq }

// streamLocked is what the next record comes from: nil for none.
func (l *lane) streamLocked(now time.Time) *stream {
	live, late := l.live.has(), l.late.has()
	if late && now.Sub(l.came) < freshFor && l.late.flying >= max(1, l.pace.Limit()/lateShare) {
		late = false
	}
	switch {
	case late && (!live || l.turn >= lateShare-1):
		l.turn = 0
		return &l.late
	case live:
		l.turn++
		return &l.live
	}
	return nil
}

// fetchLive reads ahead, one record. With FreshFirst it leaves what is old to fetchLate.
func (l *lane) fetchLive() {
	r := l.log.NewReader(0, 0)
	defer func() { r.Close() }()
	for {
		it, ok := l.fetch(&l.live, r)
		if !ok {
			return
		}
		end := l.log.End()
		if !l.q.o.FreshFirst || it == nil || time.Since(it.stored) < freshFor || it.seq+1 >= end || !l.leave(span{it.seq + 1, end}) {
			continue
		}
		r.Close()
		r = l.log.NewReader(end, 0)
	}
}

// leave hands a span to fetchLate; false when there are too many.
func (l *lane) leave(s span) bool {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	if len(l.spans) >= maxSpans {
		return false
	}
	l.spans, l.ahead = append(l.spans, s), s.to
	l.q.cond.Broadcast()
	return true
}

// fetchLate reads the backlog, the oldest first.
func (l *lane) fetchLate() {
	q := l.q
	for {
		q.mu.Lock()
		for len(l.spans) == 0 && !q.closed {
			q.cond.Wait()
		}
		if q.closed {
			q.mu.Unlock()
			return
		}
		s := l.spans[0]
		l.spans, l.reading = l.spans[1:], true
		q.mu.Unlock()
		r := l.log.NewReader(s.from, s.to)
		for {
			it, ok := l.fetch(&l.late, r)
			if !ok || it == nil {
				r.Close()
				q.mu.Lock()
				l.reading = false
				q.cond.Broadcast()
				q.mu.Unlock()
				if !ok {
					return
				}
				break
			}
		}
	}
}

// A fetched is what was read.
type fetched struct {
	seq    spool.Seq
	stored time.Time
}

// fetch reads a record and waits until the one before it is taken. nil is the end of the reader's range; false that of the
// queue.
func (l *lane) fetch(to *stream, r *spool.Reader) (*fetched, bool) {
	q := l.q
	for {
		buf := q.o.Pool.Get(64 << 10)
		e, err := r.Next(context.Background(), buf.B[:cap(buf.B)])
		buf.B = e.Buf
		it, bad := l.item(to, e, buf, err)
		q.mu.Lock()
		for to.ready != nil && !q.closed {
			q.cond.Wait()
		}
		if q.closed || err != nil && bad == nil {
			closed := q.closed
			q.mu.Unlock()
			buf.Release()
			switch {
			case closed:
				return nil, false
			case err == io.EOF:
				return nil, true
			}
			time.Sleep(firstPause) // the disk's error is in the log already
			continue
		}
		if bad != nil {
			q.mu.Unlock()
			buf.Release()
			q.o.Log.Error("a record of the queue cannot be read and is dropped", "lane", l.name, "error", bad)
			l.log.Settle(e.Seq)
			l.lost(pipeline.DropCorrupt, spool.Totals{Count: uint64(e.Count), Weight: e.Weight})
			continue
		}
		to.ready = it
		got := &fetched{it.seq, it.Stored} // it may be somebody else's after the lock
		q.cond.Broadcast()
		q.mu.Unlock()
		return got, true
	}
}
