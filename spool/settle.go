package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

const (
	saveEvery = 100 * time.Millisecond
	// saveRarely is for a log that is only written, while a destination is away: the cursor's sums say what was in a segment that is
	// lost later.
	saveRarely   = 5 * time.Second
	reserveBytes = 64 << 10
	reserveEvery = 10 * time.Second
	maxAside     = 64 << 20
)

// Settle says that a record is done with: it is not handed out again. In any order, and more than once is no harm. Records that are
// not durable cannot be settled.
func (l *Log) Settle(seq Seq) {
	l.mu.Lock()
	h, known := l.inflight[seq]
	if known {
		l.settleLocked(seq, h)
	}
	p, there := l.part(seq)
	open := !known && there && !l.settled.has(seq)
	l.mu.Unlock()
	if !open {
		return
	}
	f := newFinder(l)
	defer f.close()
	if st, ok, err := f.find(p, seq); err == nil && ok && st.seq == seq {
		l.mu.Lock()
		if !l.settled.has(seq) {
			l.settleLocked(seq, handed{st.at, st.size(), st.time, st.count, st.weight})
		}
		l.mu.Unlock()
	}
}

// settleLocked settles a record that is durable and not settled. l.mu is held.
func (l *Log) settleLocked(seq Seq, h handed) {
	delete(l.inflight, seq)
	if l.settled.has(seq) {
		return
	}
	t := Totals{1, uint64(h.count), uint64(h.size), h.weight}
	l.settled.add(seq, seq+1)
	l.unsettled(func(all *Totals) { all.sub(t) })
	if p, ok := l.part(seq); ok {
		p.s.settled.add(t)
		if seq+1 > p.s.hint.seq && seq+1 <= l.settled[0].to {
			p.s.hint = place{seq + 1, h.off + h.size}
		}
	}
	l.changedLocked()
}

// unsettled changes what is unsettled. l.mu is held.
func (l *Log) unsettled(change func(*Totals)) {
	before := l.stats.Unsettled
	change(&l.stats.Unsettled)
	l.opt.Sum.change(before, l.stats.Unsettled)
}

func (l *Log) changedLocked() {
	if !l.unsaved {
		l.unsaved = true
		kick(l.saveSoon)
	}
}

// Settled reports whether a record is settled or lost.
func (l *Log) Settled(seq Seq) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settled.has(seq)
}

// DropOldest settles the oldest records that no reader has, until they are so many bytes or none is left, and says what they were.
func (l *Log) DropOldest(bytes int64) Totals {
	return l.drop(nil, func(got Totals, _ head) bool { return got.Bytes < uint64(max(bytes, 0)) })
}

// DropOlder settles the oldest records that no reader has, up to the first that is not older than t.
func (l *Log) DropOlder(t time.Time) Totals {
	return l.drop(nil, func(_ Totals, h head) bool { return h.time < t.UnixNano() })
}

// GiveUp settles all that no reader has. The cursor keeps how much that was until somebody asks GivenUp.
func (l *Log) GiveUp() (got Totals) {
	return l.drop(&l.given, func(Totals, head) bool { return true })
}

// GivenUp is what GiveUp settled since the last call of GivenUp, in other processes, too.
func (l *Log) GivenUp() (t Totals) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t, l.given = l.given, (Totals{}); t.Records > 0 {
		l.changedLocked()
	}
	return t
}

// drop adds what it settles to note, which l.mu guards; nil for none.
func (l *Log) drop(note *Totals, more func(Totals, head) bool) (got Totals) {
	f := newFinder(l)
	defer f.close()
	for pos := Seq(0); ; {
		l.mu.Lock()
		for {
			pos = l.settled.next(pos)
			if _, has := l.inflight[pos]; !has {
				break
			}
			pos++
		}
		p, ok := l.part(pos)
		l.mu.Unlock()
		if !ok {
			return got
		}
		st, ok, err := f.find(p, pos)
		if err != nil {
			return got
		}
		if !ok || st.seq != pos {
			continue
		}
		if !more(got, st.head) {
			return got
		}
		f.w.accept(st)
		l.mu.Lock()
		if _, has := l.inflight[pos]; !has && !l.settled.has(pos) {
			l.settleLocked(pos, handed{st.at, st.size(), st.time, st.count, st.weight})
			got.add(st.totals())
			if note != nil {
				note.add(st.totals())
			}
		}
		l.mu.Unlock()
	}
}

// SaveCursor makes durable what is settled, and unlinks segments that are settled as a whole. It is also done in the background.
func (l *Log) SaveCursor() error {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	l.unsaved = false
	base := l.settled[0].to
	l.bookRestLocked(base)
	l.sent.cut(base)
	c := cursor{l.next, l.durable, l.settled, append(spans(nil), l.sent...), true, l.written, l.stats.Unsettled, l.given}
	again := false
	for _, r := range l.readers {
		again = r.shrinkLocked() || again
		r.saving = r.want
		c.sent.add(r.pos, r.want)
	}
	l.image = c.append(l.image[:0])
	if again {
		l.changedLocked()
	}
	l.mu.Unlock()
	err := l.writeCursor()
	if err != nil && l.giveUpReserve() {
		err = l.writeCursor()
	}
	// Without a saved cursor readers go on all the same: a full disk must not stop what would empty it.
	l.mu.Lock()
	for _, r := range l.readers {
		r.limit = max(r.limit, r.saving)
	}
	l.saved.broadcast()
	l.mu.Unlock()
	if err != nil {
		l.trouble("save the cursor", err)
	}
	l.unlink(base, err == nil)
	l.makeReserve(err)
	return err
}

func (l *Log) writeCursor() error {
	tmp := l.path("cursor.tmp")
	_ = l.fs.Remove(tmp)
	f, err := l.fs.Open(tmp, ModeNew)
	if err != nil {
		return err
	}
	if err = writeFull(f, l.image, 0); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = l.fs.Rename(tmp, l.path("cursor"))
	}
	if err != nil {
		_ = l.fs.Remove(tmp)
		return err
	}
	return l.fs.SyncDir(l.opt.Dir)
}

// unlink removes the segments below base. When the cursor could not be saved, one after the other, so that none is missing in the
// middle, and the next one says that it may be missing.
func (l *Log) unlink(base Seq, saved bool) {
	for {
		l.mu.Lock()
		ok := len(l.segs) > 1 && l.segs[0].f == nil && l.segs[0].end <= base
		var s, next *segment
		if ok {
			s, next = l.segs[0], l.segs[1]
		}
		l.mu.Unlock()
		if !ok {
			return
		}
		if !saved {
			l.noteLow(next)
		}
		if err := l.fs.Remove(l.path(segmentName(s.first))); err != nil && !notExist(err) {
			l.trouble("remove a settled segment", err)
			return
		}
		l.forget(s)
		if !saved && l.fs.SyncDir(l.opt.Dir) != nil {
			return
		}
	}
}

// bookRestLocked counts what records held whose heads were lost, of segments that are settled as a whole. l.mu is held.
func (l *Log) bookRestLocked(base Seq) {
	for _, s := range l.segs {
		if s.f != nil || s.end > base {
			return
		}
		rest := s.total.minus(s.settled)
		s.settled = s.total
		l.unsettled(func(all *Totals) { all.sub(rest) })
		l.stats.Damaged.add(rest)
	}
}

// noteLow says in a segment that all below it is settled, in bytes that it has already: on a full disk the cursor cannot say it. Without
// it, a crash before the next cursor counts these records as lost.
func (l *Log) noteLow(s *segment) {
	f, err := l.fs.Open(l.path(segmentName(s.first)), ModeWrite)
	if err == nil {
		if err = writeFull(f, s.encodeLow(), lowAt); err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		l.trouble("note what is settled", err)
	}
}

// giveUpReserve removes the reserve file, so that a full disk has room for a cursor. It reports whether there was one.
func (l *Log) giveUpReserve() bool {
	return l.fs.Remove(l.path("reserve")) == nil
}

// makeReserve makes the reserve file when it is not there and the disk seems to have room again.
func (l *Log) makeReserve(failed error) {
	now := l.opt.Now()
	if failed != nil || (now.Sub(l.tried) < reserveEvery && !now.Before(l.tried)) {
		return
	}
	l.tried = now
	f, err := l.fs.Open(l.path("reserve"), ModeNew)
	if err != nil {
		return // most likely it is there
	}
	b := make([]byte, reserveBytes)
	for i := range b {
		b[i] = byte(i) | 1 // a file system may keep zeros without taking room
	}
	if err = writeFull(f, b, 0); err == nil {
		err = f.Sync()
	}
	if errors.Join(err, f.Close()) != nil {
		_ = l.fs.Remove(l.path("reserve"))
	}
}

// keepAside copies damaged bytes of a segment into damaged/, as far as there is room in it, and returns how many they are, zeros at
// their end aside.
func (l *Log) keepAside(first Seq, file File, gone loss) int64 {
	l.asiding.Lock()
	defer l.asiding.Unlock()
	b := make([]byte, 64<<10)
	used := int64(0)
	for off := gone.at; off < gone.until; off += int64(len(b)) {
		b = b[:min(int64(len(b)), gone.until-off)]
		_ = readFull(file, b, off)
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] != 0 {
				used = off - gone.at + int64(i) + 1
				break
			}
		}
	}
	keep := min(used, l.aside)
	if keep <= 0 {
		return used
	}
	name := filepath.Join(l.path("damaged"), fmt.Sprintf("%s-%012x", segmentName(first), gone.at))
	out, err := l.fs.Open(name, ModeNew)
	if err != nil {
		return used // most likely it was kept before
	}
	l.aside -= keep
	for off := int64(0); off < keep && err == nil; off += int64(len(b)) {
		b = b[:min(int64(cap(b)), keep-off)]
		clear(b)
		_ = readFull(file, b, gone.at+off)
		err = writeFull(out, b, off)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		l.trouble("keep damaged bytes aside", err)
	}
	return used
}

// shed gives the last segment's bytes back to a full disk when all of it is settled: nothing else would, as long as nothing can be
// written. l.write is held.
func (l *Log) shed() {
	l.mu.Lock()
	s := l.active
	if n := len(l.segs); s == nil && n > 0 {
		s = l.segs[n-1] // of an earlier run
	}
	idle := s != nil && s.end > s.first && l.settled.next(0) >= s.end
	l.mu.Unlock()
	if !idle {
		return
	}
	if _, err := l.newSegment(l.opt.Now()); err != nil {
		l.giveUpReserve()
		_, _ = l.newSegment(l.opt.Now())
	}
	kick(l.syncNow)
	l.mu.Lock()
	l.changedLocked() // the cursor's goroutine removes the file
	l.mu.Unlock()
}
