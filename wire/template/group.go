package template

import (
	"bytes"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/sluiceio/sluice/wire"
)

// group is the point of a histogram or summary, from several lines. Everything but the attributes has a fixed
// length, so it is patched. Its members are series first to first+n-1 with values[vals:vals+n]: count, sum, then
// buckets by bound or quantiles.
type group struct {
	first, n uint32
	vals     uint32
	start    uint32 // of the framed point in otlp
	end      uint32
	time     uint32 // of its time; count and sum follow at groupCount and groupSum from it
	counts   uint32 // of the first bucket count, or of the first quantile's value
	flags    uint32 // of the flags' byte
	shape    shape
	changed  bool // a value changed since the point was written
	loose    bool
}

// Offsets from a group's time to its count and sum, and between quantiles.
const (
	groupCount    = 9
	groupSum      = 18
	quantileSize  = 20 // tag, length, quantile, value
	firstMembers  = 2  // count and sum
	quantileValue = 12 // from the start of a framed quantile to its value
)

type candidate struct {
	shape   shape
	keyFrom int // its attributes without le or quantile: layout.keys[keyFrom:keyTo]
	keyTo   int
	base    string
	members []int32 // entries; after judge: count, sum, and the rest by bound
	judged  bool
	exact   bool
	placed  bool
	loose   bool
	broken  bool // a line of it cannot be a member
}

func (w *walk) draftMember(e *entry, s *series) {
	y := &w.lay
	attrs := w.t.attrsOf(s)
	from := len(y.keys)
	var text []byte
	found := true
	switch e.role {
	case roleBucket:
		y.keys, text, found = cutAttr(y.keys, attrs, labels.BucketLabel)
	case roleQuantile:
		y.keys, text, found = cutAttr(y.keys, attrs, "quantile")
	default:
		y.keys = append(y.keys, attrs...)
	}
	key := y.keys[from:]
	ok := found
	if text != nil {
		e.bound, ok = boundOf(text)
	}
	c := w.candidate(e.base, key)
	if c < 0 {
		c = int32(len(y.groups))
		y.cands[hashCandidate(e.base, key)] = c
		n := candidate{shape: shapeHistogram, base: e.base, keyFrom: from, keyTo: len(y.keys)}
		if e.fam.code == typeSummary {
			n.shape = shapeSummary
		}
		y.groups = append(y.groups, n)
	} else {
		y.keys = y.keys[:from]
	}
	g := &y.groups[c]
	g.members = append(g.members, int32(len(y.entries)))
	g.broken = g.broken || !ok
	g.loose = g.loose || s.flags&seriesLoose != 0
	e.cand = c
}

func (w *walk) candidate(base string, key []byte) int32 {
	y := &w.lay
	if n := len(y.groups); n > 0 {
		if g := &y.groups[n-1]; g.base == base && bytes.Equal(y.keys[g.keyFrom:g.keyTo], key) {
			return int32(n - 1)
		}
	}
	if c, ok := y.cands[hashCandidate(base, key)]; ok {
		return c
	}
	return -1
}

// boundOf reads le or quantile. It must be spelled as Prometheus 3 does, as readers of the OTLP point will.
func boundOf(text []byte) (float64, bool) {
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil && f == f && labels.FormatOpenMetricsFloat(f) == string(text)
}

// judge decides whether a candidate is exactly one OTLP point: one count, one sum, distinct bounds, and for a
// histogram +Inf.
func (w *walk) judge(c *candidate) {
	y := &w.lay
	c.judged = true
	slices.SortStableFunc(c.members, func(a, b int32) int {
		x, z := &y.entries[a], &y.entries[b]
		if x.role != z.role {
			return int(x.role) - int(z.role)
		}
		switch {
		case x.bound < z.bound:
			return -1
		case x.bound > z.bound:
			return 1
		}
		return 0
	})
	m := c.members
	if c.broken || len(m) < firstMembers || y.entries[m[0]].role != roleCount || y.entries[m[1]].role != roleSum {
		return
	}
	rest := m[firstMembers:]
	for i := range rest {
		e := &y.entries[rest[i]]
		if e.role < roleBucket || i > 0 && y.entries[rest[i-1]].bound == e.bound {
			return
		}
	}
	if c.shape == shapeHistogram && (len(rest) == 0 || !math.IsInf(y.entries[rest[len(rest)-1]].bound, 1)) {
		return
	}
	c.exact = true
}

func (c *candidate) size() int {
	n := c.body()
	return 1 + wire.SizeVarint(uint64(n)) + n
}

func (c *candidate) body() int {
	n := c.keyTo - c.keyFrom + 4*9 + 2 // attributes, start, time, count, sum, flags
	rest := len(c.members) - firstMembers
	if c.shape == shapeSummary {
		return n + rest*quantileSize
	}
	packed := func(n int) int { return 1 + wire.SizeVarint(uint64(n)) + n }
	return n + packed(8*rest) + packed(8*(rest-1))
}

// layGroup writes the point of a group, without values, and its members.
func (w *walk) layGroup(c *candidate) {
	y := &w.lay
	g := group{
		first: uint32(len(y.series)), n: uint32(len(c.members)), vals: uint32(len(y.values)),
		start: uint32(len(y.otlp)), shape: c.shape, changed: true, loose: c.loose,
	}
	dst := wire.AppendTag(y.otlp, wire.FieldDataPoints, wire.TypeBytes)
	dst = wire.AppendVarint(dst, uint64(c.body()))
	field := wire.FieldSummaryAttributes
	if c.shape == shapeHistogram {
		field = wire.FieldHistogramAttributes
	}
	dst = appendRetagged(dst, y.keys[c.keyFrom:c.keyTo], field)
	// Start, time, count and sum have the same field numbers in both messages.
	dst = wire.AppendFixed64(dst, wire.FieldHistogramStart, 0)
	dst = wire.AppendFixed64(dst, wire.FieldHistogramTime, w.now)
	g.time = uint32(len(dst) - 8)
	dst = wire.AppendFixed64(dst, wire.FieldHistogramCount, 0)
	dst = wire.AppendFixed64(dst, wire.FieldHistogramSum, 0)
	rest := c.members[firstMembers:]
	if c.shape == shapeHistogram {
		dst = wire.AppendPackedFixed64(dst, wire.FieldHistogramBuckets, make([]uint64, len(rest)))
		g.counts = uint32(len(dst) - 8*len(rest))
		bounds := make([]float64, 0, len(rest))
		for _, i := range rest[:len(rest)-1] {
			bounds = append(bounds, y.entries[i].bound)
		}
		dst = wire.AppendPackedDouble(dst, wire.FieldHistogramBounds, bounds)
		dst = wire.AppendUint(dst, wire.FieldHistogramFlags, 0)
	} else {
		g.counts = uint32(len(dst) + quantileValue)
		for _, i := range rest {
			dst = wire.AppendTag(dst, wire.FieldSummaryQuantiles, wire.TypeBytes)
			dst = append(dst, quantileSize-2)
			dst = wire.AppendDouble(dst, wire.FieldQuantileQuantile, y.entries[i].bound)
			dst = wire.AppendDouble(dst, wire.FieldQuantileValue, 0)
		}
		dst = wire.AppendUint(dst, wire.FieldSummaryFlags, 0)
	}
	g.end, g.flags = uint32(len(dst)), uint32(len(dst)-1)
	y.otlp = dst
	for _, i := range c.members {
		w.layMember(y.entries[i].ref, uint32(len(y.made)), c.loose)
	}
	y.made = append(y.made, g)
}

func (w *walk) layMember(ref, g uint32, loose bool) {
	y := &w.lay
	old := &w.t.series[ref]
	n := *old
	w.layAttrs(&n)
	n.place, n.group, n.val = placeMember, g, uint32(len(y.values))
	if loose {
		n.flags |= seriesLoose
	}
	y.values = append(y.values, w.bitsOf(old))
	w.laySeries(ref, n)
}

func appendRetagged(dst, attrs []byte, field int) []byte {
	for len(attrs) > 0 {
		whole, _, _, rest := nextAttr(attrs)
		dst = append(dst, byte(field<<3|wire.TypeBytes))
		dst = append(dst, whole[1:]...)
		attrs = rest
	}
	return dst
}

// settleGroups writes changed groups, and the time of all. It returns false when a group is no exact OTLP point
// with these values; its lines are number points from then on.
func (w *walk) settleGroups() bool {
	t := w.t
	exact := true
	for i := range t.groups {
		g := &t.groups[i]
		put64(t.otlp, g.time, w.now)
		if !g.changed {
			continue
		}
		g.changed = false
		if t.writeGroup(g) {
			continue
		}
		exact = false
		for j := g.first; j < g.first+g.n; j++ {
			t.series[j].flags |= seriesPlain
		}
	}
	return exact
}

// writeGroup writes the values of a group. OTLP's buckets are differences, which must add up to the same numbers.
func (t *Template) writeGroup(g *group) bool {
	vals := t.values[g.vals : g.vals+g.n]
	count, ok := isCount(vals[0])
	if !ok {
		return false
	}
	put64(t.otlp, g.time+groupCount, count)
	put64(t.otlp, g.time+groupSum, vals[1])
	at, below := g.counts, uint64(0)
	for _, bits := range vals[firstMembers:] {
		if g.shape == shapeSummary {
			put64(t.otlp, at, bits)
			at += quantileSize
			continue
		}
		n, ok := isCount(bits)
		if !ok || n < below {
			return false
		}
		put64(t.otlp, at, n-below)
		at += 8
		below = n
	}
	return g.shape == shapeSummary || below == count
}
