package template

import "hash/maphash"

// table finds lines by text and series by label hash, with linear probing. It holds indexes, not keys. It is built
// when a line is not where expected, and lives for one scrape.
type table struct {
	slots []uint32 // index + 1
	used  int
	built bool
}

// outBit marks an index into walk.out instead of Template.lines.
const outBit = 1 << 31

func (t table) emptied() table { return table{slots: t.slots[:0]} }

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

// lineIndex is a line of the last body, or of walk.out.
type lineIndex struct {
	i   int
	old bool
}

var noLine = lineIndex{i: -1}

func (w *walk) line(x lineIndex) (*line, []byte) {
	if x.old {
		return &w.t.lines[x.i], w.t.body
	}
	return &w.out[x.i], w.body
}

func textOf(body []byte, l *line) []byte {
	if l.kind == kindMeta || l.kind == kindEnd {
		return body[l.off : l.off+l.key]
	}
	return rawOf(body, l)
}

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

// index adds the last line of out to the table.
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
