package spool

import (
	"bytes"
	"hash/crc32"
	"log/slog"
	"slices"
	"sort"
)

// A span is the sequence numbers [from, to).
type span struct{ from, to Seq }

// spans are sorted; they neither overlap nor touch.
type spans []span

// at is the index of the first span that ends behind seq.
func (s spans) at(seq Seq) int {
	if len(s) == 0 || s[0].to > seq {
		return 0
	}
	if last := len(s) - 1; s[last].to <= seq {
		return last + 1
	}
	return sort.Search(len(s), func(i int) bool { return s[i].to > seq })
}

func (s spans) has(seq Seq) bool {
	i := s.at(seq)
	return i < len(s) && s[i].from <= seq
}

// next is the first number at or behind seq that is not in s.
func (s spans) next(seq Seq) Seq {
	if i := s.at(seq); i < len(s) && s[i].from <= seq {
		return s[i].to
	}
	return seq
}

// lacks is how many numbers of [from, to) are not in s.
func (s spans) lacks(from, to Seq) uint64 {
	if to <= from {
		return 0
	}
	n := uint64(to - from)
	for i := s.at(from); i < len(s) && s[i].from < to; i++ {
		n -= uint64(min(s[i].to, to) - max(s[i].from, from))
	}
	return n
}

func (s *spans) add(from, to Seq) {
	if to <= from {
		return
	}
	i := s.at(from)
	if i > 0 && (*s)[i-1].to == from {
		i--
	}
	j := i
	for ; j < len(*s) && (*s)[j].from <= to; j++ {
		from, to = min(from, (*s)[j].from), max(to, (*s)[j].to)
	}
	if j == i {
		*s = slices.Insert(*s, i, span{from, to})
		return
	}
	(*s)[i] = span{from, to}
	*s = slices.Delete(*s, i+1, j)
}

// cut removes what is below seq.
func (s *spans) cut(seq Seq) {
	*s = slices.Delete(*s, 0, s.at(seq))
	if len(*s) > 0 {
		(*s)[0].from = max((*s)[0].from, seq)
	}
}

// clip removes what is at or above seq.
func (s *spans) clip(seq Seq) {
	i := s.at(seq)
	if i < len(*s) && (*s)[i].from < seq {
		(*s)[i].to = seq
		i++
	}
	*s = (*s)[:i]
}

const (
	cursorHead = 48
	maxSpans   = 4096 // settled spans beyond these are delivered again after a restart
	cursorSums = 3*32 + 4
	maxCursor  = cursorHead + 2*maxSpans*16 + 4 + cursorSums
)

// A cursor is what must be known of a log beside its segments.
type cursor struct {
	next    Seq   // no record at or behind it was durable, as far as the cursor knows
	durable Seq   // every record below it was durable
	settled spans // the first begins at 0
	sent    spans // may have been handed to a reader

	summed                    bool   // it has what follows; programs of before wrote none
	written, unsettled, given Totals // ever written; of these not settled; see Log.GiveUp
}

func (c *cursor) append(b []byte) []byte {
	settled, sent := c.settled[:min(len(c.settled), maxSpans)], c.sent
	if len(sent) > maxSpans { // too much rather than too little
		sent = append(slices.Clone(sent[:maxSpans-1]), span{sent[maxSpans-1].from, sent[len(sent)-1].to})
	}
	from := len(b)
	b = append(b, cursorMagic...)
	b = le.AppendUint32(b, version)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, uint64(c.next))
	b = le.AppendUint64(b, uint64(c.durable))
	b = le.AppendUint32(b, uint32(len(settled)))
	b = le.AppendUint32(b, uint32(len(sent)))
	b = le.AppendUint64(b, 0)
	for _, list := range []spans{settled, sent} {
		for _, s := range list {
			b = le.AppendUint64(le.AppendUint64(b, uint64(s.from)), uint64(s.to))
		}
	}
	b = le.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
	sums := len(b) - 4 // the sum of all before is summed up, too
	b = appendTotals(appendTotals(appendTotals(b, c.written), c.unsettled), c.given)
	return le.AppendUint32(b, crc32.Checksum(b[sums:], castagnoli))
}

// parseCursor reads a cursor; what follows it is no matter.
func parseCursor(b []byte) (*cursor, error) {
	if len(b) < cursorHead+4 || !bytes.Equal(b[:8], cursorMagic) {
		return nil, errDamaged
	}
	settled, sent := uint64(le.Uint32(b[32:])), uint64(le.Uint32(b[36:]))
	size := cursorHead + 16*(settled+sent) + 4
	if uint64(len(b)) < size {
		return nil, errDamaged
	}
	sums := b[size-4:]
	if b = b[:size]; crc32.Checksum(b[:size-4], castagnoli) != le.Uint32(b[size-4:]) {
		return nil, errDamaged
	}
	if v := le.Uint32(b[8:]); v != version {
		return nil, &VersionError{Version: v}
	}
	c := &cursor{next: Seq(le.Uint64(b[16:])), durable: Seq(le.Uint64(b[24:]))}
	if c.next > maxSeq || c.durable > c.next {
		return nil, errDamaged
	}
	list := b[cursorHead : len(b)-4]
	for i := range settled + sent {
		s := span{Seq(le.Uint64(list[16*i:])), Seq(le.Uint64(list[16*i+8:]))}
		to := &c.settled
		if i >= settled {
			to = &c.sent
		}
		if n := len(*to); s.to <= s.from || s.to > maxSeq || (n > 0 && s.from <= (*to)[n-1].to) {
			return nil, errDamaged
		}
		*to = append(*to, s)
	}
	if len(c.settled) == 0 || c.settled[0].from != 0 {
		return nil, errDamaged
	}
	if len(sums) >= 4+cursorSums && crc32.Checksum(sums[:cursorSums], castagnoli) == le.Uint32(sums[cursorSums:]) {
		c.summed, c.written, c.unsettled, c.given = true, parseTotals(sums[4:]), parseTotals(sums[36:]), parseTotals(sums[68:])
	}
	return c, nil
}

// readCursor is nil without an error where there is none.
func readCursor(fsys FS, name string) (*cursor, error) {
	f, err := openRead(fsys, name)
	if err != nil {
		if notExist(err) {
			return nil, nil
		}
		return nil, errDamaged
	}
	defer f.Close()
	b := make([]byte, maxCursor)
	if err := readFull(f, b, 0); err != nil {
		return nil, errDamaged
	}
	return parseCursor(b)
}

// low is the number that all below are settled of, though the cursor may not say it: it could not be saved, or is lost, or a program
// wrote it that kept no sums and removed files without saying so.
func (r *recovery) low() (low Seq) {
	if r.cur == nil || !r.cur.summed {
		low = r.front
		if len(r.l.segs) > 0 {
			low = min(low, r.l.segs[0].first)
		}
		if low == maxSeq {
			low = 0 // no file at all: the newest is always there, so this is a loss
		}
	}
	for _, s := range r.l.segs {
		if s.low {
			low = max(low, s.first)
		}
	}
	return low
}

// weigh finds out what was in records that are lost with all that would say it: what was ever written, less what was settled, less what
// is there.
func (r *recovery) weigh() {
	l, there := r.l, r.l.stats.Unsettled
	var settled Totals
	known := false
	if r.cur != nil && r.cur.summed {
		l.written, settled, known = r.cur.written, r.cur.written.minus(r.cur.unsettled), true
		l.given = r.cur.given
	}
	for i, s := range l.segs {
		if !s.summed {
			continue
		}
		if i == 0 && r.cur == nil {
			settled, known = s.before, true
		}
		if s.low {
			known = false // of what is behind it, the cursor's sums do not tell
		}
		all := s.before
		all.add(s.total)
		l.written = l.written.most(all)
	}
	l.written = l.written.most(there)
	if known && r.unknown > 0 {
		heads := l.stats.Damaged // of these a head was left
		heads.Records -= r.unknown
		gone := l.written.minus(settled).minus(there).minus(heads).minus(l.stats.Torn)
		if n := gone.Records; n > r.unknown { // some were never durable: an average
			gone.Count, gone.Bytes, gone.Weight = share(gone.Count, r.unknown, n), share(gone.Bytes, r.unknown, n), share(gone.Weight, r.unknown, n)
		}
		gone.Records = 0 // counted by their numbers
		l.stats.Damaged.add(gone)
	}
	if d := l.stats.Damaged; d.Records > 0 || l.stats.DamagedBytes > 0 {
		l.opt.Log.Warn("records are lost: files of this folder are damaged or missing", slog.String("directory", l.opt.Dir), slog.Uint64("records", d.Records),
			slog.Uint64("items", d.Count), slog.Uint64("bytes", d.Bytes), slog.Uint64("damaged_bytes", l.stats.DamagedBytes))
	}
}

func share(all, part, of uint64) uint64 { return uint64(float64(all) * float64(part) / float64(of)) }
