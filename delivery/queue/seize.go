package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

// A Seized is lanes of an open queue that an operator's command has: until Release nobody else takes from them. Put goes on.
type Seized struct {
	q     *Queue
	lanes []*lane
	ends  []spool.Seq // by lane: later records are left alone
	kept  []*Item
}

// Seize takes lanes, by the names of their folders, and waits for what is handed out of them.
func (q *Queue) Seize(ctx context.Context, names []string) (*Seized, error) {
	defer context.AfterFunc(ctx, q.wakeAll)()
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &Seized{q: q}
	for _, name := range names {
		l := q.lanes[name]
		if l == nil || l.seized {
			s.releaseLocked()
			if l == nil {
				return nil, fmt.Errorf("the queue in %s has no lane %s", q.o.Dir, name)
			}
			return nil, fmt.Errorf("another command has the lane %s of the queue in %s", name, q.o.Dir)
		}
		l.seized = true
		s.lanes = append(s.lanes, l)
	}
	for _, l := range s.lanes {
		for l.flying > 0 && !q.closed && ctx.Err() == nil {
			q.cond.Wait()
		}
		s.ends = append(s.ends, l.log.End())
	}
	if err := errors.Join(ctx.Err(), q.closedErr()); err != nil {
		s.releaseLocked()
		return nil, fmt.Errorf("the exporter's requests did not end: %w", err)
	}
	return s, nil
}

func (q *Queue) closedErr() error {
	if q.closed {
		return spool.ErrClosed
	}
	return nil
}

// Stored is how much is in the lanes.
func (s *Seized) Stored() (t spool.Totals) {
	for _, l := range s.lanes {
		u := l.log.Stats().Unsettled
		t.Records, t.Count, t.Bytes = t.Records+u.Records, t.Count+u.Count, t.Bytes+u.Bytes
	}
	return t
}

// Next waits for the oldest record that was there when the lanes were seized; nil after the last one. Settle it with Done, or
// Keep it.
func (s *Seized) Next(ctx context.Context) (*Item, error) {
	q := s.q
	defer context.AfterFunc(ctx, q.wakeAll)()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(s.ends) > 0 {
		at := len(s.lanes) - len(s.ends)
		l := s.lanes[at]
		it := l.next()
		switch {
		case ctx.Err() != nil || q.closed:
			if it != nil {
				l.giveBack(it)
			}
			return nil, errors.Join(ctx.Err(), q.closedErr())
		case it != nil && it.seq < s.ends[0]:
			return it, nil
		case it != nil: // a newer one
			l.giveBack(it)
			s.ends = s.ends[1:]
		case l.log.Stats().Unsettled.Records <= s.keptOf(l):
			s.ends = s.ends[1:]
		default:
			q.cond.Wait() // tick wakes us if what is left is damaged
		}
	}
	return nil, nil
}

func (s *Seized) keptOf(l *lane) (n uint64) {
	for _, i := range s.kept {
		if i.lane == l {
			n++
		}
	}
	return n
}

// Done settles a record that another destination confirmed.
func (s *Seized) Done(i *Item) {
	s.q.o.Books.Delivered(i.Signal, i.Items, i.Size)
	i.gone()
}

// Keep leaves a record where it is.
func (s *Seized) Keep(i *Item) { s.kept = append(s.kept, i) }

// Drop gives up everything that is in the lanes, and says how much.
func (s *Seized) Drop() (got spool.Totals) {
	q := s.q
	for _, l := range s.lanes {
		q.mu.Lock()
		var held []*Item
		for it := l.next(); it != nil; it = l.next() {
			held = append(held, it)
		}
		q.mu.Unlock()
		for _, i := range held {
			got.Records, got.Count, got.Bytes = got.Records+1, got.Count+uint64(i.Items), got.Bytes+uint64(len(i.body))
			q.o.Books.Lost(pipeline.DropOperator, i.Signal, i.Items, i.Size)
			i.gone()
		}
		t := l.log.DropOldest(math.MaxInt64)
		l.lost(pipeline.DropOperator, t)
		got.Records, got.Count, got.Bytes = got.Records+t.Records, got.Count+t.Count, got.Bytes+t.Bytes
	}
	return got
}

// Release gives the lanes back, with what was kept. It saves what was settled.
func (s *Seized) Release() error {
	var errs []error
	for _, l := range s.lanes {
		errs = append(errs, l.log.SaveCursor())
	}
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	s.releaseLocked()
	return errors.Join(errs...)
}

func (s *Seized) releaseLocked() {
	for _, i := range s.kept {
		i.lane.giveBack(i)
	}
	for _, l := range s.lanes {
		l.seized = false
	}
	s.kept, s.lanes, s.ends = nil, nil, nil
	s.q.cond.Broadcast()
}

// gone settles an item of a seized lane, which was not handed out for sending.
func (i *Item) gone() {
	i.lane.log.Settle(i.seq)
	i.lane.q.o.Books.Unstored(i.Signal, i.Items)
	i.release()
}

// next takes the oldest item that is read. Queue.mu is held.
func (l *lane) next() (it *Item) {
	switch {
	case len(l.back) > 0:
		it = l.back[0]
		l.back = slices.Delete(l.back, 0, 1)
	case l.ready != nil:
		it, l.ready = l.ready, nil
		l.q.cond.Broadcast()
	}
	return it
}

// giveBack is before every younger one. Queue.mu is held.
func (l *lane) giveBack(i *Item) {
	at, _ := slices.BinarySearchFunc(l.back, i.seq, func(x *Item, seq spool.Seq) int { return int(int64(x.seq) - int64(seq)) })
	l.back = slices.Insert(l.back, at, i)
}

// Dir is the queue's folder.
func (q *Queue) Dir() string { return q.o.Dir }

// LaneNames are the folders of the lanes.
func (q *Queue) LaneNames() []string {
	var out []string
	for _, l := range q.all() {
		out = append(out, l.name)
	}
	return out
}

// Letters is the log of the dead letters; nil if none are kept.
func (q *Queue) Letters() *spool.Log { return q.letters }

// CloseIntake refuses every batch from now on, or no longer: for a drain before a machine goes away.
func (q *Queue) CloseIntake(closed bool) { q.shut.Store(closed) }

// Shut reports whether the intake is closed.
func (q *Queue) Shut() bool { return q.shut.Load() }

// Number is the record's, within its lane.
func (i *Item) Number() uint64 { return uint64(i.seq) }
