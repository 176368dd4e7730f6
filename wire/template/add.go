package template

import (
	"github.com/prometheus/prometheus/model/textparse"
)

type sample struct {
	bits    uint64
	ms      int64 // its own timestamp
	stamped bool  // it has one, and it is honoured
	parser  textparse.Parser
}

// extra is another sample of a series in this scrape, at another time.
type extra struct {
	ref  uint32
	bits uint64
	time uint64
}

type exemplarRef struct {
	ref      uint32
	from, to uint32
}

// add books a sample as Prometheus' scrape loop does. It reports whether the line is known from now on: a new line
// whose sample was not taken is not, and so never gets a stale marker.
func (w *walk) add(l *line, s sample, cached bool) bool {
	t := w.t
	w.res.Kept++
	l.flag &^= flagStamped
	if s.stamped {
		l.flag |= flagStamped
	}
	if l.flag&flagTwice != 0 && w.again(l) && !s.stamped {
		w.res.Duplicates++
		return cached
	}
	if w.left <= 0 {
		w.limited = true
		return cached
	}
	w.left--
	if s.stamped && s.ms > w.max {
		w.res.OutOfBounds++
		return cached
	}
	if l.ref == noRef {
		l.ref = w.seriesOf(l)
	}
	if !cached && !w.limited {
		w.res.Added++
	}
	if !w.write(l.ref, s) {
		l.flag |= flagShared
	}
	sr := &t.series[l.ref]
	if s.stamped && !t.set.TrackStaleness {
		sr.wrote = t.iter
	} else {
		sr.seen = t.iter
	}
	if s.parser != nil && w.addExemplars(l.ref, s) {
		l.flag |= flagExemplar
		w.loosen(sr)
	}
	l.kind = t.kindFor(l)
	return true
}

// again notes that a repeated line was seen, and reports whether it was before.
func (w *walk) again(l *line) bool {
	t := w.t
	text := rawOf(w.body, l)
	if t.twice[string(text)] == t.iter {
		return true
	}
	t.twice[string(text)] = t.iter
	return false
}

// markTwice marks a line whose text occurs again.
func (w *walk) markTwice(x lineIndex) {
	t := w.t
	if x.old {
		x.i = int(t.lines[x.i].n)
	}
	l := &w.out[x.i]
	if l.kind == kindDropped {
		return
	}
	l.flag |= flagTwice
	l.kind = kindSlow
	if t.twice == nil {
		t.twice = map[string]uint32{}
	}
	t.twice[string(rawOf(w.body, l))] = t.iter
}

func (w *walk) has(s *series) bool { return s.seen == w.t.iter || s.wrote == w.t.iter }

func (t *Template) kindFor(l *line) kind {
	switch {
	case l.kind == kindMeta, l.kind == kindEnd, l.kind == kindDropped:
		return l.kind
	case l.flag != 0 || l.ref == noRef:
		return kindSlow
	}
	switch t.series[l.ref].place {
	case placePoint:
		return kindPoint
	case placeMember:
		return kindMember
	}
	return kindSlow
}

// write patches a sample into its series' bytes. It returns false if the series has a sample of this scrape: at the
// same time the first stays, as in the TSDB; others become extra.
func (w *walk) write(ref uint32, s sample) bool {
	t := w.t
	sr := &t.series[ref]
	at := w.now
	if s.stamped {
		at = uint64(s.ms * 1e6)
	}
	if w.has(sr) {
		if w.timeOf(sr) != at {
			w.extra = append(w.extra, extra{ref, s.bits, at})
		}
		return false
	}
	switch {
	case sr.place == placePoint:
		put64(t.otlp, sr.val, s.bits)
		put64(t.otlp, sr.val-timeBefore, at)
		w.live++
	case sr.place == placeMember && !s.stamped:
		t.values[sr.val] = s.bits
		t.groups[sr.group].changed = true
		w.live++
	default:
		if sr.place == placeMember {
			// The points of a histogram share one time, so its lines are separated.
			sr.flags |= seriesPlain
			sr.place = placeParked
			w.regroup = true
		}
		sr.val = uint32(len(w.parked))
		w.parked = append(w.parked, parked{s.bits, at})
	}
	return true
}

func (w *walk) timeOf(s *series) uint64 {
	switch {
	case s.place == placePoint:
		return get64(w.t.otlp, s.val-timeBefore)
	case s.place == placeParked && w.has(s):
		return w.parked[s.val].time
	}
	return w.now
}

// loosen marks a series whose point is framed anew each scrape, because exemplars vary.
func (w *walk) loosen(s *series) {
	if s.flags&seriesLoose != 0 {
		return
	}
	s.flags |= seriesLoose
	w.regroup = true
	if s.place == placeMember {
		g := &w.t.groups[s.group]
		for i := g.first; i < g.first+g.n; i++ {
			w.t.series[i].flags |= seriesLoose
		}
	}
}
