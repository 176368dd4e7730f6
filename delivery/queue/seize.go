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
		for l.flying() > 0 && !q.closed && ctx.Err() == nil {
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
		l := s.lanes[len(s.lanes)-len(s.ends)]
		if err := errors.Join(ctx.Err(), q.closedErr()); err != nil {
			return nil, err
		}
		it, last := l.nextBelow(s.ends[0])
		switch {
		case it != nil:
			return it, nil
		case last || l.log.Stats().Unsettled.Records <= s.keptOf(l):
			s.ends = s.ends[1:]
		default:
			q.cond.Wait() // tick wakes us if what is left is damaged
		}
	}
	return nil, nil
}

// nextBelow takes the next item below a number, backlog first. last: there is none any more. Queue.mu is held.
func (l *lane) nextBelow(end spool.Seq) (it *Item, last bool) {
	last = len(l.spans) == 0 && !l.reading
	for _, from := range []*stream{&l.late, &l.live} {
		it := l.next(from)
		switch {
		case it == nil && from == &l.live:
			last = last && l.ahead >= end
		case it == nil:
		case it.seq < end:
			return it, false
		default: // a newer one, and all that follow
			l.giveBack(it)
			last = last || from == &l.late
		}
	}
	return nil, last
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
func (s *Seized) Drop(ctx context.Context) (got spool.Totals, err error) {
	add := func(t spool.Totals) {
		got.Records, got.Count, got.Bytes = got.Records+t.Records, got.Count+t.Count, got.Bytes+t.Bytes
	}
	for _, l := range s.lanes {
		add(l.lost(pipeline.DropOperator, l.log.DropOldest(math.MaxInt64))) // without those that are read already
	}
	for {
		i, err := s.Next(ctx)
		if i == nil {
			return got, err
		}
		add(spool.Totals{Records: 1, Count: uint64(i.Items), Bytes: uint64(len(i.body))})
		s.q.o.Books.Lost(pipeline.DropOperator, i.Signal, i.Items, i.Size)
		i.gone()
	}
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
	i.lane.q.o.Books.Unstored(i.Signal, i.Items, i.Size)
	i.release()
}

// next takes the oldest item of a stream that is read. Queue.mu is held.
func (l *lane) next(from *stream) (it *Item) {
	switch {
	case len(from.back) > 0:
		it = from.back[0]
		from.back = slices.Delete(from.back, 0, 1)
	case from.ready != nil:
		it, from.ready = from.ready, nil
		l.q.cond.Broadcast()
	}
	return it
}

// giveBack is before every younger one of its stream. Queue.mu is held.
func (l *lane) giveBack(i *Item) {
	back := &i.from.back
	at, _ := slices.BinarySearchFunc(*back, i.seq, func(x *Item, seq spool.Seq) int { return int(int64(x.seq) - int64(seq)) })
	*back = slices.Insert(*back, at, i)
}

// flying is how many items are handed out for sending. Queue.mu is held.
func (l *lane) flying() int { return l.live.flying + l.late.flying }

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

// Storing reports whether a batch is on its way into the queue: it is not in Status yet.
func (q *Queue) Storing() bool { return q.puts.Load() > 0 }

// Number is the record's, within its lane.
func (i *Item) Number() uint64 { return uint64(i.seq) }
