package spool

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"time"
)

const (
	directBody = 64 << 10 // a larger body is not copied to be written together with its head
	allocStep  = 8 << 20
	freeEvery  = 1 << 20 // bytes after which the free disk is looked at again
)

// Append is Put and Durable.
func (l *Log) Append(ctx context.Context, r Record) (Seq, error) {
	seq, err := l.Put(r)
	if err != nil {
		return 0, err
	}
	return seq, l.Durable(ctx, seq)
}

// Put writes a record, so that it survives this process; Durable waits until it survives a power cut, too. After an error (ErrFull,
// ErrTooLarge, ErrClosed, or one of the disk) nothing of the record is there, and the next Put may succeed.
func (l *Log) Put(r Record) (Seq, error) {
	h := head{headerLen: uint32(len(r.Header)), bodyLen: uint32(len(r.Body)), count: r.Count, time: r.Time, weight: r.Weight}
	if len(r.Header) > MaxHeader || len(r.Body) > MaxBody || (l.opt.MaxBytes > 0 && h.size() > l.opt.MaxBytes) {
		return 0, ErrTooLarge
	}
	h.bodySum = crc32.Checksum(r.Body, castagnoli)
	l.write.Lock()
	defer l.write.Unlock()
	s, err := l.room(h.size())
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	h.seq, h.undurable = l.next, uint32(min(l.next-l.durable, 1<<32-1))
	l.mu.Unlock()
	if err := l.writeRecord(s, h, r); err != nil {
		l.trouble("write a record", err)
		l.cutBack(s)
		l.shed()
		return 0, fmt.Errorf("spool: cannot write a record: %w", err)
	}
	l.freeFor -= h.size()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.data += h.size()
	s.end++
	s.total.add(h.totals())
	l.next++
	l.written.add(h.totals())
	l.unsettled(func(all *Totals) { all.add(h.totals()) })
	l.stats.Appended++
	if l.opt.NoSync {
		s.durable = mileage{place{s.end, s.data}, s.total}
		l.durable = l.next
		l.synced.broadcast()
	}
	if !l.dirty {
		l.dirty = true
		kick(l.syncSoon)
	}
	return h.seq, nil
}

func (l *Log) writeRecord(s *segment, h head, r Record) error {
	if end := s.data + h.size(); end > s.alloc {
		if step := max(min(allocStep, l.opt.SegmentBytes-s.alloc), end-s.alloc); !l.noAlloc {
			err := s.f.Allocate(s.alloc, step)
			l.noAlloc = errors.Is(err, errors.ErrUnsupported)
			if err == nil {
				end = s.alloc + step
			}
		}
		s.alloc = end // without room in advance the write says whether there is some
	}
	n := h.encode(l.scratch, s.seed, r.Header)
	if len(r.Body) <= directBody {
		n += copy(l.scratch[n:], r.Body)
		clear(l.scratch[n:h.size()])
		return writeFull(s.f, l.scratch[:h.size()], s.data)
	}
	if err := writeFull(s.f, l.scratch[:n], s.data); err != nil {
		return err
	}
	return writeFull(s.f, r.Body, s.data+int64(n))
}

func writeFull(f File, b []byte, off int64) error {
	n, err := f.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// room is the segment for a record of size. l.write is held.
func (l *Log) room(size int64) (*segment, error) {
	now := l.opt.Now()
	if l.opt.MinFree > 0 && (l.freeFor < size || now.Sub(l.freeAt) > 100*time.Millisecond || now.Before(l.freeAt)) {
		free, err := l.fs.Free(l.opt.Dir)
		if err == nil && free < uint64(l.opt.MinFree+size) {
			l.freeFor = 0
			l.shed()
			return nil, &FullError{"disk", l.opt.MinFree}
		}
		l.freeAt, l.freeFor = now, max(freeEvery, size)
	}
	l.mu.Lock()
	s, closed, full := l.active, l.closed, l.opt.MaxBytes > 0 && l.stats.Unsettled.Bytes+uint64(size) > uint64(l.opt.MaxBytes)
	var old bool
	if s != nil && s.end > s.first {
		old = s.data+size > l.opt.SegmentBytes || (l.opt.MaxAge > 0 && now.UnixNano()-s.created > int64(l.opt.MaxAge/4))
	}
	l.mu.Unlock()
	switch {
	case closed:
		return nil, ErrClosed
	case full:
		return nil, &FullError{"bytes", l.opt.MaxBytes}
	case s == nil || old:
		return l.newSegment(now)
	}
	return s, nil
}

// newSegment makes a file for what comes next. The one before it is sealed by the sync goroutine. l.write is held.
func (l *Log) newSegment(now time.Time) (*segment, error) {
	s := &segment{}
	l.mu.Lock()
	s.first, s.gap, s.end = l.next, l.next, l.next
	if n := len(l.segs); n > 0 {
		s.gap = l.segs[n-1].end
	}
	s.before, s.summed = l.written, true
	l.mu.Unlock()
	s.created, s.salt = now.UnixNano(), rand.Uint64()
	s.seed, s.data, s.alloc = seed(s.salt), dataStart, dataStart
	s.start = dataStart
	s.hint = place{s.first, dataStart}
	s.durable.place = s.hint
	name := l.path(segmentName(s.first))
	f, err := l.fs.Open(name, ModeNew)
	if err == nil {
		s.f = f
		var b [dataStart]byte
		s.header.encode(b[:])
		s.header.encode(b[headerCopy:])
		s.encodeSums(b[sumsAt:], s.before)
		s.encodeSums(b[headerCopy+sumsAt:], s.before)
		if err = writeFull(f, b[:], 0); err == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.segs = append(l.segs, s)
			l.active = s
			return s, nil
		}
		_ = f.Close()
	}
	_ = l.fs.Remove(name) // it has nothing, and the name is for the next try
	l.trouble("make a segment", err)
	return nil, fmt.Errorf("spool: cannot make a segment: %w", err)
}

// cutBack removes what a failed write left behind the last record. l.write is held.
func (l *Log) cutBack(s *segment) {
	s.alloc = s.data
	if err := s.f.Truncate(s.data); err != nil {
		l.trouble("cut back a segment", err)
		l.mu.Lock()
		l.active = nil // sealing tries once more; no record is written behind a piece of another
		l.mu.Unlock()
	}
}

// Durable waits for the fsync that covers seq.
func (l *Log) Durable(ctx context.Context, seq Seq) error {
	l.mu.Lock()
	for {
		if seq >= l.next || seq == 0 {
			l.mu.Unlock()
			return ErrUnknown
		}
		if seq < l.durable {
			err := l.lostCause(seq)
			l.mu.Unlock()
			return err
		}
		if l.done {
			l.mu.Unlock()
			return ErrClosed
		}
		wait := l.synced.wait()
		l.mu.Unlock()
		kick(l.syncNow)
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
		l.mu.Lock()
	}
}

func (l *Log) lostCause(seq Seq) error {
	for _, f := range l.lostSpans {
		if f.from <= seq && seq < f.to {
			return &LostError{f.err}
		}
	}
	return nil
}

// pace does work in a goroutine of its own: when soon asks, saveEvery (or interval) after the last time; when now asks, at once, but
// not before interval has passed. What failed is tried again.
func (l *Log) pace(soon, now <-chan struct{}, interval time.Duration, work func() error) {
	defer l.running.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	timer.Stop()
	armed, last := false, time.Time{}
	arm := func(wait time.Duration) {
		armed = true
		timer.Reset(max(0, wait-time.Since(last)))
	}
	for {
		run := false
		select {
		case <-l.stop:
			return
		case <-soon:
			if !armed && interval > 0 {
				arm(interval)
			} else if !armed {
				arm(saveEvery)
			}
		case <-now:
			if run = interval == 0; !run && !armed {
				arm(interval)
			}
		case <-timer.C:
			run = true
		}
		if run {
			timer.Stop()
			armed = false
			err := work()
			if last = time.Now(); err != nil {
				arm(time.Second)
			}
		}
	}
}

// sync makes durable what is written at this moment, and seals segments that get no more.
func (l *Log) sync() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	l.dirty = false
	var open []*segment
	for i := len(l.segs) - 1; i >= 0 && l.segs[i].f != nil; i-- {
		open = append(open, l.segs[i])
	}
	l.mu.Unlock()
	var first error
	for i := len(open) - 1; i >= 0; i-- {
		if err := l.syncSegment(open[i]); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (l *Log) syncSegment(s *segment) error {
	l.mu.Lock()
	now, retired, behind := mileage{place{s.end, s.data}, s.total}, s != l.active, s.end > s.durable.seq
	l.mu.Unlock()
	if !l.opt.NoSync && !s.named {
		if err := l.fs.SyncDir(l.opt.Dir); err != nil {
			return l.fail(s, err)
		}
		s.named = true
	}
	if !l.opt.NoSync && behind {
		if err := s.f.Sync(); err != nil {
			return l.fail(s, err)
		}
	}
	l.mu.Lock()
	if behind {
		l.stats.Syncs++
	}
	s.durable = now
	l.durable = max(l.durable, now.seq)
	if behind && time.Since(l.savedAt) >= saveRarely {
		l.savedAt = time.Now() // once, though it takes a while
		l.changedLocked()
	}
	l.synced.broadcast()
	l.mu.Unlock()
	if retired {
		l.seal(s)
	}
	return nil
}

// seal closes a segment of which all is durable. Without a footer, because the disk refuses it, a start has to scan it: no harm.
func (l *Log) seal(s *segment) {
	err := s.f.Truncate(s.data)
	if err == nil && s.end > s.first {
		var b [footerSize]byte
		footer{s.end, s.total, s.salt}.encode(b[:])
		if err = writeFull(s.f, b[:], s.data); err == nil && !l.opt.NoSync {
			err = s.f.Sync()
		}
	}
	if err != nil {
		l.trouble("seal a segment", err)
	}
	l.mu.Lock()
	f := s.f
	s.f = nil
	l.mu.Unlock()
	_ = f.Close()
	kick(l.saveSoon) // it may be settled already
}

// fail is what becomes of a segment whose fsync failed: nobody knows what of it reached the disk, and the next fsync would not say.
func (l *Log) fail(s *segment, cause error) error {
	l.trouble("make a segment durable", cause)
	l.write.Lock()
	l.mu.Lock()
	from, to := s.durable.seq, s.end
	if l.active == s {
		l.active = nil
	}
	l.loseLocked(failure{span{from, to}, cause})
	l.unsettled(func(all *Totals) { all.sub(s.total.minus(s.durable.total)) })
	s.end, s.data, s.total = from, s.durable.off, s.durable.total
	l.mu.Unlock()
	l.write.Unlock()
	l.seal(s)
	if s.end == s.first && l.fs.Remove(l.path(segmentName(s.first))) == nil {
		l.forget(s)
	}
	// Later records must not say that these were durable before the cursor says that they are lost.
	_ = l.SaveCursor()
	l.mu.Lock()
	l.durable = max(l.durable, to)
	l.synced.broadcast()
	l.mu.Unlock()
	return &LostError{cause}
}

// loseLocked remembers failures for those who ask for them: the newest exactly, old ones with what lies between. l.mu is held.
func (l *Log) loseLocked(f failure) {
	l.settled.add(f.from, f.to)
	switch n := len(l.lostSpans); {
	case f.from == f.to:
	case n > 0 && l.lostSpans[n-1].to == f.from:
		l.lostSpans[n-1].to, l.lostSpans[n-1].err = f.to, f.err
	case n == 256:
		l.lostSpans[1].from = l.lostSpans[0].from
		l.lostSpans = append(l.lostSpans[:0], append(l.lostSpans[1:], f)...)
	default:
		l.lostSpans = append(l.lostSpans, f)
	}
}

func (l *Log) forget(s *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, t := range l.segs {
		if t == s {
			l.segs = append(l.segs[:i:i], l.segs[i+1:]...)
			return
		}
	}
}
