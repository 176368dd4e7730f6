package template

import "hash/maphash"

// table finds lines by their text and series by the hash of their labels, with linear probing. It holds indexes,
// not keys. It is built when the first line of a body is not where it is expected, and kept for one scrape only.
type table struct {
	slots []uint32 // index + 1
	used  int
	built bool
}

// outBit marks an index into walk.out; without it, it is one of Template.lines.
const outBit = 1 << 31

func (t table) emptied() table { return table{slots: t.slots[:0]} }

// reset makes room for n entries.
func (t *table) reset(n int) {
	size := 32
	for size < 2*n {
		size *= 2
	}
	if cap(t.slots) < size {
		t.slots = make([]uint32, size)
	}
	t.slots = t.slots[:size]
	clear(t.slots)
	t.used, t.built = 0, true
}

// full reports whether the table must be made larger before the next entry.
func (t *table) full() bool { return 2*(t.used+1) > len(t.slots) }

func (t *table) put(h uint64, entry uint32) {
	mask := uint64(len(t.slots) - 1)
	i := h & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = entry + 1
	t.used++
}

// lineIndex names a line: one of the last body, or one of walk.out.
type lineIndex struct {
	i   int
	old bool
}

// noLine is the index of a line that is new.
var noLine = lineIndex{i: -1}

// line returns the line and the body its offsets belong to.
func (w *walk) line(x lineIndex) (*line, []byte) {
	if x.old {
		return &w.t.lines[x.i], w.t.body
	}
	return &w.out[x.i], w.body
}

// textOf is what a line is looked up by: the series, or the whole of a comment.
func textOf(body []byte, l *line) []byte {
	if l.kind == kindMeta || l.kind == kindEnd {
		return body[l.off : l.off+l.key]
	}
	return rawOf(body, l)
}

// find looks a line up among those of the last body and those of this one so far.
func (w *walk) find(text []byte) (i int, old, found bool) {
	if !w.lineTable.built {
		w.buildLineTable()
	}
	h := maphash.Bytes(hashSeed, text)
	mask := uint64(len(w.lineTable.slots) - 1)
	for at := h & mask; w.lineTable.slots[at] != 0; at = (at + 1) & mask {
		e := w.lineTable.slots[at] - 1
		x := lineIndex{int(e &^ outBit), e&outBit == 0}
		l, body := w.line(x)
		if string(textOf(body, l)) == string(text) {
			return x.i, x.old, true
		}
	}
	return 0, false, false
}

func (w *walk) buildLineTable() {
	n := len(w.t.lines) - w.prefix + len(w.out)
	w.lineTable.reset(n + n/2)
	for i := w.prefix; i < len(w.t.lines); i++ {
		if l := &w.t.lines[i]; l.flag&flagUsed == 0 {
			w.lineTable.put(maphash.Bytes(hashSeed, textOf(w.t.body, l)), uint32(i))
		}
	}
	for i := range w.out {
		w.lineTable.put(maphash.Bytes(hashSeed, textOf(w.body, &w.out[i])), uint32(i)|outBit)
	}
}

// index makes the last line of out findable.
func (w *walk) index() {
	if !w.lineTable.built {
		return
	}
	if w.lineTable.full() {
		w.buildLineTable()
		return
	}
	i := len(w.out) - 1
	w.lineTable.put(maphash.Bytes(hashSeed, textOf(w.body, &w.out[i])), uint32(i)|outBit)
}

// findSeries looks a series up by the hash of its labels.
func (w *walk) findSeries(h uint64) (uint32, bool) {
	t := w.t
	if !w.seriesTable.built || w.seriesTable.full() {
		w.seriesTable.reset(len(t.series) + len(t.series)/2)
		for i := range t.series {
			w.seriesTable.put(t.series[i].hash, uint32(i))
		}
	}
	mask := uint64(len(w.seriesTable.slots) - 1)
	for at := h & mask; w.seriesTable.slots[at] != 0; at = (at + 1) & mask {
		if i := w.seriesTable.slots[at] - 1; t.series[i].hash == h {
			return i, true
		}
	}
	return 0, false
}
