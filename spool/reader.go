package spool

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"
)

// A finder walks over the segments of an open log. It keeps one file open.
type finder struct {
	l      *Log
	s      *segment
	w      *walker
	onLoss func(loss)
	fails  int // reads in a row that gave an error
}

func newFinder(l *Log) *finder {
	f := &finder{l: l}
	f.onLoss = func(gone loss) { l.lose(f.s, f.w.f, gone) }
	return f
}

// find goes to the first record of p at or behind pos. What is lost on the way is counted and settled. A disk that gives an error
// three times has lost what is there: the queue must go on.
func (f *finder) find(p part, pos Seq) (st step, ok bool, err error) {
	if f.s != p.s || f.w.seq > pos {
		f.close()
		file, err := openRead(f.l.fs, f.l.path(segmentName(p.s.first)))
		if notExist(err) {
			f.l.lose(p.s, nil, loss{span: span{pos, p.end}})
			return st, false, nil
		}
		if err != nil {
			return st, false, fmt.Errorf("spool: cannot read: %w", err)
		}
		at := p.hint
		if at.seq > pos {
			at = place{p.s.first, p.s.start}
		}
		f.s = p.s
		f.w = newWalker(file, p.s.seed, at)
	}
	f.w.end, f.w.limit, f.w.sure = p.data, p.end, p.end
	f.w.hard = f.fails >= 2
	st, ok, err = f.w.find(pos, f.onLoss)
	return st, ok, f.count(err)
}

func (f *finder) count(err error) error {
	if err == nil {
		f.fails = 0
		return nil
	}
	f.fails++
	f.l.trouble("read a record", err)
	return fmt.Errorf("spool: cannot read: %w", err)
}

func (f *finder) close() {
	if f.s != nil {
		_ = f.w.f.Close()
		walkers.Put(f.w)
		f.s, f.w = nil, nil
	}
}

// lose counts records that cannot be read, settles them, and keeps a copy of their bytes. file may be nil.
func (l *Log) lose(s *segment, file File, gone loss) {
	l.mu.Lock()
	n := l.settled.lacks(gone.from, gone.to)
	before := min(n, s.holes)
	s.holes -= before
	n -= before
	var t Totals
	if t.Records = n; n == 1 && gone.known.Records == 1 {
		t = gone.known
	}
	l.settled.add(gone.from, gone.to)
	if l.settled.lacks(s.first, s.end) == 0 && file == nil {
		t = s.total.minus(s.settled) // the footer says what was in it
	}
	s.settled.add(t)
	l.unsettled(func(all *Totals) { all.sub(t) })
	l.stats.Damaged.add(t)
	l.changedLocked()
	l.mu.Unlock()
	if file == nil {
		l.opt.Log.Warn("records are lost: a file is missing", slog.String("directory", l.opt.Dir), slog.String("file", segmentName(s.first)),
			slog.Uint64("records", n), slog.Uint64("items", t.Count), slog.Uint64("bytes", t.Bytes))
		return
	}
	bytes := l.keepAside(s.first, file, gone)
	l.mu.Lock()
	l.stats.DamagedBytes += uint64(bytes)
	l.mu.Unlock()
	l.warn("records are damaged; their bytes are in the folder damaged", slog.String("file", segmentName(s.first)),
		slog.Int64("offset", gone.at), slog.Int64("bytes", bytes), slog.Uint64("records", n), slog.Uint64("items", t.Count))
}

// A Reader hands out the durable records of a range in order, without those that are settled. It is for one goroutine at a time.
type Reader struct {
	find *finder
	// Guarded by Log.mu.
	pos, to             Seq
	limit, want, saving Seq // handing out below limit is covered by the saved cursor; want is asked for, saving under way
	ahead               Seq // how far want goes beyond pos
	asked               time.Time
	had                 Seq // pos at the last saving of the cursor
}

// A reader asks for leastAhead records at once, and for twice as many (up to Options.Ahead) when they do not last askEvery. When it
// stands still, it gives back what it has not used: what stays is marked MaybeSent after a crash, though nobody had it.
const (
	leastAhead = 4
	askEvery   = saveEvery
)

// NewReader reads from a sequence number (0: the oldest unsettled record), up to but not including to (0: no end).
func (l *Log) NewReader(from, to Seq) *Reader {
	if to == 0 {
		to = maxSeq
	}
	r := &Reader{find: newFinder(l), pos: from, to: to}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.readers = append(l.readers, r)
	}
	return r
}

// Close gives back what the reader holds. What it handed out can still be settled.
func (r *Reader) Close() {
	l := r.find.l
	l.mu.Lock()
	l.readers = slices.DeleteFunc(l.readers, func(o *Reader) bool { return o == r })
	l.mu.Unlock()
	r.find.close()
}

// Next waits for the next record and reads it into buf, or into a larger one: Entry.Buf is for the next call, also after an error.
// io.EOF is the end of the range, ErrClosed that of the log; another error is the disk's, and the call may be repeated: at the third
// error the record counts as damaged.
func (r *Reader) Next(ctx context.Context, buf []byte) (Entry, error) {
	for {
		p, pos, err := r.await(ctx)
		if err != nil {
			return Entry{Buf: buf}, err
		}
		st, ok, err := r.find.find(p, pos)
		if err != nil {
			return Entry{Buf: buf}, err
		}
		if !ok || st.seq != pos {
			continue // lost, and settled by that
		}
		e, whole, err := r.find.w.body(st, buf)
		if err := r.find.count(err); err != nil {
			return Entry{Buf: e.Buf}, err
		}
		if buf = e.Buf; !whole {
			r.find.w.reject(st)
			continue
		}
		r.find.w.accept(st)
		if r.handOut(&e, st) {
			return e, nil
		}
	}
}

func (r *Reader) handOut(e *Entry, st step) bool {
	l := r.find.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.settled.has(st.seq) {
		return false
	}
	e.MaybeSent = l.sent.has(st.seq)
	l.sent.add(st.seq, st.seq+1)
	l.inflight[st.seq] = handed{st.at, st.size(), st.time, st.count, st.weight}
	r.pos = st.seq + 1
	return true
}

// await waits for a record that may be handed out, and says where it is.
func (r *Reader) await(ctx context.Context) (part, Seq, error) {
	l := r.find.l
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return part{}, 0, err
		}
		if l.closed {
			return part{}, 0, ErrClosed
		}
		if r.pos = l.settled.next(r.pos); r.pos >= r.to {
			return part{}, 0, io.EOF
		}
		var wait <-chan struct{}
		if r.pos >= l.durable {
			if r.pos < l.next {
				kick(l.syncNow)
			}
			wait = l.synced.wait()
		} else if p, ok := l.part(r.pos); !ok {
			return part{}, 0, fmt.Errorf("spool: record %d is in no segment", r.pos)
		} else if r.mayHandOut() {
			return p, r.pos, nil
		} else {
			wait = l.saved.wait()
		}
		retired := r.find.s != nil && r.find.s.f == nil && r.find.s.end <= r.pos
		l.mu.Unlock()
		if retired {
			r.find.close() // else its bytes stay on the disk while we wait, though it may be unlinked
		}
		select {
		case <-wait:
		case <-ctx.Done():
		}
		l.mu.Lock()
	}
}

// mayHandOut reports whether the saved cursor says that r.pos may have been handed out. It asks early for what comes next.
func (r *Reader) mayHandOut() bool {
	l := r.find.l
	if r.limit <= r.pos+r.ahead/2 && r.want <= r.limit && r.limit < r.to {
		now := time.Now()
		if now.Sub(r.asked) < askEvery {
			r.ahead *= 2
		}
		r.ahead, r.asked = min(max(r.ahead, leastAhead), Seq(l.opt.Ahead)), now
		r.want = min(r.pos+r.ahead, r.to)
		kick(l.saveNow)
	}
	return r.pos < r.limit
}

// shrinkLocked gives back what a reader that stands still has not used. It reports whether there may be more to give back later.
func (r *Reader) shrinkLocked() (later bool) {
	idle := r.pos == r.had && time.Since(r.asked) >= askEvery
	r.had = r.pos
	least := min(leastAhead, Seq(r.find.l.opt.Ahead))
	if r.want <= r.pos+least {
		return false
	}
	if idle && r.want <= r.limit {
		r.ahead, r.want = least, r.pos+least
		r.limit = r.want
		return false
	}
	return true
}
