package template

import (
	"hash/maphash"
	"math"
	"slices"

	"github.com/sluiceio/sluice/wire"
)

// metric is a Metric in otlp: its header (name, description, unit, metadata) is otlp[body:data], the tag of its
// data is at data, its points are otlp[points:end].
type metric struct {
	body, data, points, end uint32
	count                   uint32 // data points
	first                   uint32 // its first series; the next metric's first ends them
	shape                   shape
}

// layout is the state of rebuilding otlp: which series share a metric, which lines form a group.
type layout struct {
	fams    families
	ids     map[metricID]int32
	cands   map[uint64]int32 // by hash of family and attributes
	metrics []draft
	last    int32 // the metric drafted last, or -1
	entries []entry
	groups  []candidate
	keys    []byte // attributes of the candidates
	head    []byte // of the metric in hand
	lines   []line // of a failed scrape
	parked  []uint32
	refs    []uint32 // of the old series: the new one

	otlp    []byte
	arena   []byte
	series  []series
	renamed []names
	kept    []metric
	made    []group
	values  []uint64
}

type metricID struct {
	name  string
	shape shape
	code  typeCode
	loose bool
}

type draft struct {
	id     metricID
	fam    family
	items  []int32 // entries, or candidates where the shape is a histogram or summary
	points int     // bytes of the framed points
}

type entry struct {
	ref   uint32
	role  role
	cand  int32 // its candidate, or -1
	bound float64
	name  names
	base  string // of its family
	fam   family
}

func (l layout) emptied() layout {
	clear(l.fams)
	clear(l.ids)
	clear(l.cands)
	clear(l.entries)
	clear(l.groups)
	clear(l.renamed)
	for i := range l.metrics {
		l.metrics[i] = draft{items: l.metrics[i].items[:0]}
	}
	l.metrics, l.entries, l.groups, l.keys, l.parked = l.metrics[:0], l.entries[:0], l.groups[:0], l.keys[:0], l.parked[:0]
	l.refs, l.otlp, l.arena, l.series, l.renamed = l.refs[:0], l.otlp[:0], l.arena[:0], l.series[:0], l.renamed[:0]
	l.kept, l.made, l.values, l.last = l.kept[:0], l.made[:0], l.values[:0], -1
	return l
}

// needsRebuild reports whether otlp differs from the series with a sample.
func (w *walk) needsRebuild() bool {
	return w.t.unsettled || w.regroup || len(w.parked) > 0 || w.live != w.t.placed || w.newMetas || w.building && w.metas != w.t.metas
}

// rebuild lays out otlp for the series with a sample in this scrape; with all, for all of them, to keep but not to
// send.
func (w *walk) rebuild(all bool) {
	w.res.Rebuilt = true
	y := &w.lay
	*y = y.emptied()
	if y.fams == nil {
		y.fams, y.ids, y.cands = families{}, map[metricID]int32{}, map[uint64]int32{}
	}
	w.readFamilies(y.fams, w.t.lines)
	w.draftEntries(all)
	w.draftMetrics()
	for _, loose := range [...]bool{false, true} {
		for i := range y.metrics {
			if y.metrics[i].id.loose == loose {
				w.layMetric(&y.metrics[i])
			}
		}
		if !loose {
			w.t.fixed = len(y.otlp)
		}
	}
	for _, ref := range y.parked {
		w.layParked(ref)
	}
	w.keep()
}

// draftEntries lists the series to place, in line order, and the candidates for groups.
func (w *walk) draftEntries(all bool) {
	t, y := w.t, &w.lay
	y.refs = slices.Grow(y.refs, len(t.series))[:len(t.series)]
	for i := range y.refs {
		y.refs[i] = noRef
	}
	var last entry
	for i := range t.lines {
		l := &t.lines[i]
		if l.kind == kindMeta || l.kind == kindEnd || l.kind == kindDropped || y.refs[l.ref] != noRef {
			continue
		}
		y.refs[l.ref] = 0 // listed
		s := &t.series[l.ref]
		if !all && !w.has(s) {
			y.parked = append(y.parked, l.ref)
			continue
		}
		e := entry{ref: l.ref, cand: -1}
		e.name = w.namesOf(s, l)
		if e.name.exposed == last.name.exposed {
			e.fam, e.base, e.role = last.fam, last.base, last.role
		} else {
			e.fam, e.base, e.role = y.fams.of(e.name.exposed)
		}
		last = e
		if e.role != roleNumber && s.flags&seriesPlain == 0 && w.timeOf(s) == w.now && e.name.exposed == e.name.final {
			w.draftMember(&e, s)
		}
		y.entries = append(y.entries, e)
	}
}

func (w *walk) namesOf(s *series, l *line) names {
	n := view(nameOf(w.body[l.off : l.off+l.key]))
	if s.name == 0 {
		return names{n, n}
	}
	is := w.t.renamed[s.name-1]
	if n != "" {
		is.exposed = n
	}
	return is
}

// draftMetrics assigns every series to the metric of its group, or to its own.
func (w *walk) draftMetrics() {
	y := &w.lay
	for i := range y.entries {
		e := &y.entries[i]
		if e.cand >= 0 {
			c := &y.groups[e.cand]
			if !c.judged {
				w.judge(c)
			}
			if c.exact {
				if !c.placed {
					c.placed = true
					d := w.draft(metricID{e.base, c.shape, e.fam.code, c.loose}, e.fam)
					d.items = append(d.items, e.cand)
					d.points += c.size()
				}
				continue
			}
		}
		s := &w.t.series[e.ref]
		id := metricID{e.name.final, shapeOf(e.fam.code, e.role), e.fam.code, s.flags&seriesLoose != 0}
		if e.name.final != e.name.exposed && e.role != roleNumber {
			id.code, id.shape = typeUnknown, shapeGauge // renamed out of its family
		}
		d := w.draft(id, e.fam)
		d.items = append(d.items, int32(i))
		d.points += sizePoint(int(s.alen))
	}
}

func (w *walk) draft(id metricID, f family) *draft {
	y := &w.lay
	if y.last >= 0 && y.metrics[y.last].id == id {
		return &y.metrics[y.last] // lines of a metric stand together
	}
	i, ok := y.ids[id]
	y.last = i
	if !ok {
		i = int32(len(y.metrics))
		y.ids[id], y.last = i, i
		if len(y.metrics) < cap(y.metrics) {
			y.metrics = y.metrics[:i+1]
		} else {
			y.metrics = append(y.metrics, draft{})
		}
		d := &y.metrics[i]
		*d = draft{id: id, fam: f, items: d.items[:0]}
	}
	return &y.metrics[i]
}

func (w *walk) layMetric(d *draft) {
	y := &w.lay
	m := metric{shape: d.id.shape, count: uint32(len(d.items)), first: uint32(len(y.series))}
	head := appendMetricHead(y.head[:0], d.id, d.fam)
	y.head = head
	data := len(m.shape.dataHead()) + d.points
	dst := wire.AppendTag(y.otlp, wire.FieldScopeXItem, wire.TypeBytes)
	dst = wire.AppendVarint(dst, uint64(len(head)+1+wire.SizeVarint(uint64(data))+data))
	m.body = uint32(len(dst))
	dst = append(dst, head...)
	m.data = uint32(len(dst))
	dst = wire.AppendTag(dst, m.shape.dataField(), wire.TypeBytes)
	dst = wire.AppendVarint(dst, uint64(data))
	dst = append(dst, m.shape.dataHead()...)
	m.points = uint32(len(dst))
	y.otlp = dst
	for _, i := range d.items {
		if m.shape >= shapeHistogram {
			w.layGroup(&y.groups[i])
		} else {
			w.layPoint(y.entries[i].ref)
		}
	}
	m.end = uint32(len(y.otlp))
	y.kept = append(y.kept, m)
}

func (w *walk) layPoint(ref uint32) {
	t, y := w.t, &w.lay
	old := &t.series[ref]
	y.otlp = appendPoint(y.otlp, t.attrsOf(old), parked{w.bitsOf(old), w.timeOf(old)}, 0)
	n := *old
	n.place = placePoint
	n.val = uint32(len(y.otlp) - 2 - 8)
	n.attrs = n.val - 1 - 18 - n.alen
	w.laySeries(ref, n)
}

func (w *walk) layParked(ref uint32) {
	n := w.t.series[ref]
	w.layAttrs(&n)
	n.place = placeParked
	w.laySeries(ref, n)
}

func (w *walk) layAttrs(n *series) {
	y := &w.lay
	at := uint32(len(y.arena))
	y.arena = append(y.arena, w.t.attrsOf(n)...)
	n.attrs = at
}

func (w *walk) laySeries(ref uint32, n series) {
	y := &w.lay
	if n.name > 0 {
		y.renamed = append(y.renamed, w.t.renamed[n.name-1])
		n.name = uint32(len(y.renamed))
	}
	y.refs[ref] = uint32(len(y.series))
	y.series = append(y.series, n)
}

// bitsOf is the last value of a series; 0 if it has none.
func (w *walk) bitsOf(s *series) uint64 {
	switch {
	case s.place == placePoint:
		return get64(w.t.otlp, s.val)
	case s.place == placeMember:
		return w.t.values[s.val]
	case w.has(s):
		return w.parked[s.val].bits
	}
	return 0
}

// fitted copies what into old's storage, or a new one if much of the old would stay unused: it lives as long as the
// target.
func fitted[T any](old, what []T) []T {
	if cap(old) > len(what)+len(what)/8+16 {
		old = nil
	}
	return append(old[:0], what...)
}

func (w *walk) keep() {
	t, y := w.t, &w.lay
	t.otlp = fitted(t.otlp, y.otlp)
	t.arena = fitted(t.arena, y.arena)
	t.series = fitted(t.series, y.series)
	t.renamed = fitted(t.renamed, y.renamed)
	t.metrics = fitted(t.metrics, y.kept)
	t.groups = fitted(t.groups, y.made)
	t.values = fitted(t.values, y.values)
	t.placed, t.points, t.metas = len(t.series)-len(y.parked), 0, 0
	for i := range t.metrics {
		if int(t.metrics[i].end) <= t.fixed {
			t.points += int(t.metrics[i].count)
		}
	}
	for i := range t.lines {
		l := &t.lines[i]
		switch l.kind {
		case kindMeta:
			t.metas++
		case kindEnd, kindDropped:
		default:
			l.ref = y.refs[l.ref]
			l.kind = t.kindFor(l)
		}
	}
	for i := range w.extra {
		w.extra[i].ref = y.refs[w.extra[i].ref]
	}
	for i := range w.exemplars {
		w.exemplars[i].ref = y.refs[w.exemplars[i].ref]
	}
	w.parked, w.live = w.parked[:0], t.placed
	w.regroup, w.newMetas, w.building = false, false, false
}

func hashCandidate(base string, key []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	_, _ = h.WriteString(base)
	_ = h.WriteByte(0)
	_, _ = h.Write(key)
	return h.Sum64()
}

// isCount reports whether a value is an exact OTLP count: an integer from 0 to 2^53.
func isCount(bits uint64) (uint64, bool) {
	f := math.Float64frombits(bits)
	n := uint64(f)
	return n, bits>>63 == 0 && f <= 1<<53 && float64(n) == f
}
