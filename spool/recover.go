package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// recovery is what Open finds out.
type recovery struct {
	l       *Log
	cur     *cursor
	floor   Seq      // no number below it is used again
	front   Seq      // the lowest number of a file that was set aside
	empty   []string // files without a byte: removed when the cursor has what their names say
	durable Seq      // every record below it was durable once
	losses  []segmentLoss
	unknown uint64 // durable records that are lost with all that would say what they held
}

type segmentLoss struct {
	s *segment
	loss
	bytes int64 // not zero, and kept aside
}

// recover makes the state of a log from its directory. It changes nothing before it knows that it may.
func (l *Log) recover() error {
	entries, err := l.fs.ReadDir(l.opt.Dir)
	if err != nil {
		return fmt.Errorf("cannot read directory %s: %w", l.opt.Dir, err)
	}
	r := &recovery{l: l, floor: 1, front: maxSeq}
	cur, cursorErr := readCursor(l.fs, l.path("cursor"))
	if refuse(cursorErr, l.path("cursor")) {
		return cursorErr
	}
	r.cur = cur
	var bad []Info
	for _, e := range entries {
		first, ok := parseName(e.Name)
		if !ok {
			continue
		}
		r.floor = max(r.floor, first+1)
		s, err := l.readHeader(e)
		if refuse(err, l.path(e.Name)) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			return err
		}
		if err != nil || s.first != first {
			bad = append(bad, e)
			continue
		}
		l.segs = append(l.segs, s)
	}
	// From here on things are changed.
	changed := r.setAside(bad, cursorErr) || cur == nil
	slices.SortFunc(l.segs, func(a, b *segment) int { return int(int64(a.first) - int64(b.first)) })
	if len(l.segs) > 0 && !l.opt.NoSync {
		// A killed process may have left names that only the kernel knows, and what is found counts as durable from now on.
		if err := l.fs.SyncDir(l.opt.Dir); err != nil {
			l.trouble("make names durable", err)
		}
	}
	for i, s := range l.segs {
		limit := maxSeq
		if i+1 < len(l.segs) {
			limit = l.segs[i+1].first
		}
		changed = r.load(s, limit) || changed
	}
	changed = r.account() || changed
	r.settle()
	r.weigh()
	l.stats.AtOpen = l.stats.Unsettled
	if changed {
		if l.SaveCursor() == nil { // else damage is counted again after a crash
			for _, name := range r.empty {
				_ = l.fs.Remove(name)
			}
		}
	} else {
		kick(l.saveSoon)
	}
	return nil
}

// refuse tells a version from the future, and names the file in it.
func refuse(err error, file string) bool {
	v, ok := errors.AsType[*VersionError](err)
	if ok {
		v.File = file
	}
	return ok
}

func (l *Log) readHeader(e Info) (*segment, error) {
	if e.Dir {
		return nil, errDamaged
	}
	f, err := openRead(l.fs, l.path(e.Name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return loadHeader(f, e.Size)
}

func loadHeader(f File, size int64) (*segment, error) {
	b := make([]byte, min(size, 4*dataStart))
	if err := readFull(f, b, 0); err != nil {
		return nil, err
	}
	h, at, err := findHeader(b)
	if err != nil {
		return nil, err
	}
	s := &segment{header: h, seed: seed(h.salt), end: h.first, start: min(at, size), data: min(at, size), size: size, named: true}
	s.hint = place{s.first, s.start}
	s.before, s.summed = h.findSums(b)
	s.low = h.hasLow(b)
	return s, nil
}

// loadFooter is false when the segment has to be scanned.
func (s *segment) loadFooter(f File, size int64, limit Seq) bool {
	var b [footerSize]byte
	if size < s.start+footerSize || readFull(f, b[:], size-footerSize) != nil {
		return false
	}
	foot, ok := parseFooter(b[:], s.header)
	if !ok || foot.end > limit {
		return false
	}
	s.end, s.total, s.data = foot.end, foot.total, size-footerSize
	s.holes = uint64(foot.end-s.first) - foot.total.Records
	return true
}

// scan takes a segment without a footer as it finds it: all that is whole counts.
func (s *segment) scan(f File, size int64, limit Seq) (losses []loss, durable Seq, err error) {
	w := newWalker(f, s.seed, place{s.first, s.start})
	w.end, w.limit, w.hard = size, limit, true
	err = w.scan(func(gone loss) { losses = append(losses, gone) }, func(st step, _ Entry) error {
		s.total.add(st.totals())
		s.end, s.data = st.seq+1, st.at+st.size()
		durable = max(durable, st.seq-min(Seq(st.undurable), st.seq))
		return nil
	})
	s.holes = uint64(s.end-s.first) - s.total.Records
	if err == nil && w.sick {
		err = errors.New("the disk gave errors")
	}
	return losses, durable, err
}

// setAside moves what cannot be a segment, or a cursor, into damaged/.
func (r *recovery) setAside(bad []Info, cursorErr error) (changed bool) {
	l := r.l
	dir := l.path("damaged")
	if err := l.fs.Mkdir(dir); err != nil {
		l.trouble("make the folder damaged", err)
	}
	l.aside = maxAside
	kept, _ := l.fs.ReadDir(dir)
	for _, k := range kept {
		l.aside -= k.Size
		name, _, _ := strings.Cut(k.Name, "-")
		if first, ok := parseName(name); ok {
			r.floor = max(r.floor, first+1)
		}
	}
	move := func(name string, size int64) {
		to := name
		for n := 1; slices.ContainsFunc(kept, func(k Info) bool { return k.Name == to }); n++ {
			to = fmt.Sprintf("%s-%d", name, n)
		}
		if err := l.fs.Rename(l.path(name), filepath.Join(dir, to)); err != nil {
			l.trouble("move a damaged file aside", err)
			return
		}
		l.aside -= size
		changed = true
		l.warn("a damaged file was moved to the folder damaged", slog.String("file", name), slog.Int64("bytes", size))
	}
	if cursorErr != nil {
		move("cursor", 0)
	}
	for _, e := range bad {
		if first, _ := parseName(e.Name); !e.Dir {
			r.front = min(r.front, first)
		}
		switch s, err := l.readHeader(e); {
		case e.Dir: // not ours; its number is not used
		case err == nil && !slices.ContainsFunc(l.segs, func(o *segment) bool { return o.first == s.first }):
			// Somebody renamed it.
			if err := l.fs.Rename(l.path(e.Name), l.path(segmentName(s.first))); err != nil {
				l.trouble("give a segment its name back", err)
				continue
			}
			l.segs = append(l.segs, s)
			changed = true
		case e.Size == 0:
			r.empty = append(r.empty, l.path(e.Name))
			changed = true
		default:
			move(e.Name, e.Size)
			l.stats.DamagedBytes += uint64(e.Size)
		}
	}
	return changed
}

// load learns what a segment holds. One without a footer is scanned and gets it.
func (r *recovery) load(s *segment, limit Seq) (changed bool) {
	l, size := r.l, s.size
	name := l.path(segmentName(s.first))
	f, err := openRead(l.fs, name)
	if err != nil {
		l.trouble("open a segment", err)
		return true
	}
	defer f.Close()
	if s.loadFooter(f, size, limit) {
		r.durable = max(r.durable, s.end)
		return false
	}
	losses, durable, err := s.scan(f, size, limit)
	if err != nil {
		l.trouble("scan a segment", err)
	}
	r.durable = max(r.durable, durable)
	for _, gone := range losses {
		if n := l.keepAside(s.first, f, gone); n > 0 || gone.to > gone.from {
			r.losses = append(r.losses, segmentLoss{s, gone, n})
		}
		r.floor = max(r.floor, gone.to)
	}
	if err == nil { // else it stays as it is: the disk may read it another time
		if err := r.close(name, s, losses); err != nil {
			l.trouble("seal a segment", err)
		}
	}
	return true
}

// close gives a scanned segment its footer. Heads whose bodies are damaged are taken out, so that later readers of heads see none.
func (r *recovery) close(name string, s *segment, losses []loss) error {
	f, err := r.l.fs.Open(name, ModeWrite)
	if err != nil {
		return err
	}
	for _, gone := range losses {
		if err == nil && gone.head > 0 {
			err = writeFull(f, make([]byte, headSize), gone.head)
		}
	}
	if err == nil {
		err = f.Truncate(s.data)
	}
	if err == nil && !r.l.opt.NoSync {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.f = f
	r.l.seal(s)
	return nil
}

// account says of each number that is in no segment, or lost in one, whether it was durable once, and settles it.
func (r *recovery) account() (changed bool) {
	l := r.l
	l.settled = spans{{0, 1}}
	if r.cur != nil {
		l.settled = r.cur.settled
		r.durable = max(r.durable, r.cur.durable)
		r.floor = max(r.floor, r.cur.next)
	}
	l.next = r.floor
	if n := len(l.segs); n > 0 {
		l.next = max(l.next, l.segs[n-1].end)
	}
	end := r.low()
	l.settled.add(0, end)
	missing := func(from, to Seq) { // what was not durable may never have been written
		n := l.settled.lacks(from, min(to, r.durable))
		l.stats.Damaged.Records += n
		changed, r.unknown = changed || n > 0, r.unknown+n
		l.settled.add(from, to)
	}
	lost := func(from, to Seq, known Totals) {
		n, torn := l.settled.lacks(from, min(to, r.durable)), l.settled.lacks(max(from, r.durable), to)
		changed = changed || n+torn > 0
		switch {
		case known.Records == 1 && n == 1:
			l.stats.Damaged.add(known)
		case known.Records == 1 && torn == 1:
			l.stats.Torn.add(known)
		default:
			l.stats.Damaged.Records += n
			l.stats.Torn.Records += torn
			r.unknown += n
		}
		l.settled.add(from, to)
	}
	for _, gone := range r.losses {
		before := l.stats.Damaged.Records
		lost(gone.from, gone.to, gone.known)
		if l.stats.Damaged.Records > before {
			l.stats.DamagedBytes += uint64(gone.bytes)
		} else if gone.known.Records == 0 {
			l.stats.Torn.Bytes += uint64(gone.bytes)
		}
	}
	for _, s := range l.segs {
		missing(end, s.gap)
		l.settled.add(s.gap, s.first)
		end = max(end, s.end)
	}
	missing(end, l.next)
	l.durable = l.next
	return changed
}

// settle finds out what of each segment is settled, reading heads where it is a part.
func (r *recovery) settle() {
	l := r.l
	for _, s := range l.segs {
		switch done := uint64(s.end-s.first) - l.settled.lacks(s.first, s.end); {
		case done == uint64(s.end-s.first):
			s.settled = s.total
		case done > 0:
			if err := r.settlePart(s); err != nil {
				l.trouble("read the settled part of a segment", err)
			}
		}
		l.unsettled(func(all *Totals) { all.add(s.total.minus(s.settled)) })
	}
	switch {
	case r.cur != nil:
		l.sent = r.cur.sent
		l.sent.clip(l.next)
	case len(l.segs) > 0: // without a cursor anything may have been sent
		l.sent.add(l.segs[0].first, l.next)
	}
}

func (r *recovery) settlePart(s *segment) error {
	l := r.l
	f, err := openRead(l.fs, l.path(segmentName(s.first)))
	if err != nil {
		return err
	}
	defer f.Close()
	last := Seq(0) // behind the last settled one
	for _, c := range l.settled {
		if c.from < s.end {
			last = min(c.to, s.end)
		}
	}
	w := newWalker(f, s.seed, s.hint)
	w.end, w.limit, w.sure, w.hard = s.data, s.end, s.end, true
	gone := func(g loss) {
		n := uint64(g.to-g.from) - l.settled.lacks(g.from, g.to)
		before := min(n, s.holes)
		s.holes -= before
		s.settled.Records += n - before
	}
	for w.seq < last {
		st, ok, err := w.find(w.seq, gone)
		if err != nil || !ok {
			return err
		}
		if st.seq <= l.settled[0].to {
			s.hint = place{st.seq, st.at}
		}
		if st.seq < last && l.settled.has(st.seq) {
			s.settled.add(st.totals())
		}
		w.accept(st)
	}
	if w.seq <= l.settled[0].to {
		s.hint = place{w.seq, w.off}
	}
	return nil
}
