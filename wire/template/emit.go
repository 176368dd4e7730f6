package template

import (
	"encoding/hex"
	"math"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/sluiceio/sluice/wire"
)

// emit makes the request: the series if live, the stale markers already in w.rest, and the synthetic series.
func (w *walk) emit(live bool, in Input) {
	t := w.t
	if live {
		w.fixed = t.fixed
		w.res.Items += t.points
		w.appendLoose()
		for _, x := range w.extra {
			w.appendExtra(x)
		}
	}
	w.rest = t.report.append(w.rest, w.now, w.reportOf(in))
	w.res.Items += t.report.count
}

// made keeps the request for AppendRequest and returns the result.
func (w *walk) made() Result {
	if w.t.ready != nil {
		w.t.ready.release() // nobody wanted it
	}
	w.t.ready = w
	w.res.Size = w.around().Size(w.fixed + len(w.rest))
	return w.res
}

func (w *walk) around() wire.Envelope { return wire.Envelope{Resource: w.t.resource, Scope: w.t.scope} }

func (w *walk) wrap(dst []byte) []byte {
	dst = w.around().Append(dst, w.fixed+len(w.rest))
	dst = append(dst, w.t.otlp[:w.fixed]...)
	return append(dst, w.rest...)
}

// openMetric begins a copy of a metric for other points.
func (w *walk) openMetric(m *metric) (outer, inner int) {
	w.rest, outer = wire.BeginMessage(w.rest, wire.FieldScopeXItem)
	w.rest = append(w.rest, w.t.otlp[m.body:m.data]...)
	w.rest, inner = wire.BeginMessage(w.rest, m.shape.dataField())
	w.rest = append(w.rest, m.shape.dataHead()...)
	return outer, inner
}

func (w *walk) closeMetric(outer, inner int) {
	w.rest = wire.EndMessage(w.rest, inner)
	w.rest = wire.EndMessage(w.rest, outer)
}

func (w *walk) appendLoose() {
	t := w.t
	for i := range t.metrics {
		m := &t.metrics[i]
		if int(m.end) <= t.fixed {
			continue
		}
		outer, inner := w.openMetric(m)
		end := uint32(len(t.series))
		if i+1 < len(t.metrics) {
			end = t.metrics[i+1].first
		}
		for ref := m.first; ref < end && t.series[ref].place != placeParked; {
			ref = w.appendLoosePoint(ref)
			w.res.Items++
		}
		w.closeMetric(outer, inner)
	}
}

// appendLoosePoint appends the point of the series or group at ref, and returns the next series.
func (w *walk) appendLoosePoint(ref uint32) uint32 {
	t := w.t
	s := &t.series[ref]
	next, field := ref+1, wire.FieldNumberExemplars
	from, to := s.attrs, s.val+8+2
	if s.place == placeMember {
		g := &t.groups[s.group]
		next = g.first + g.n
		from, to = bodyOf(t.otlp, g.start), g.end
		field = wire.FieldHistogramExemplars
		if g.shape == shapeSummary {
			field = 0 // has none
		}
	}
	var mark int
	w.rest, mark = wire.BeginMessage(w.rest, wire.FieldDataPoints)
	w.rest = append(w.rest, t.otlp[from:to]...)
	if field != 0 {
		for _, x := range w.exemplars {
			if x.ref >= ref && x.ref < next {
				w.rest = wire.AppendBytes(w.rest, field, w.exbuf[x.from:x.to])
			}
		}
	}
	w.rest = wire.EndMessage(w.rest, mark)
	return next
}

func bodyOf(b []byte, at uint32) uint32 {
	at++
	for b[at]&0x80 != 0 {
		at++
	}
	return at + 1
}

func (w *walk) appendExtra(x extra) {
	t := w.t
	s := &t.series[x.ref]
	outer, inner := w.openNumber(x.ref)
	w.rest = appendPoint(w.rest, t.attrsOf(s), parked{x.bits, x.time}, 0)
	w.closeMetric(outer, inner)
	w.res.Items++
}

// openNumber begins the metric for number points of a series: its own, or for a line of a group one named like the
// line.
func (w *walk) openNumber(ref uint32) (outer, inner int) {
	t := w.t
	m := t.metricOf(ref)
	if m.shape < shapeHistogram {
		return w.openMetric(m)
	}
	g := &t.groups[t.series[ref].group]
	name, code := metricName(t.otlp[m.body:m.data]), typeSummary
	r, suffix := roleQuantile, ""
	switch {
	case ref == g.first:
		r, suffix = roleCount, "_count"
	case ref == g.first+1:
		r, suffix = roleSum, "_sum"
	case g.shape == shapeHistogram:
		r, suffix = roleBucket, "_bucket"
	}
	if g.shape == shapeHistogram {
		code = typeHistogram
	}
	sh := shapeOf(code, r)
	w.rest, outer = wire.BeginMessage(w.rest, wire.FieldScopeXItem)
	w.rest = appendMetricHead(w.rest, metricID{name: name + suffix, code: code}, family{})
	w.rest, inner = wire.BeginMessage(w.rest, sh.dataField())
	w.rest = append(w.rest, sh.dataHead()...)
	return outer, inner
}

func (t *Template) metricOf(ref uint32) *metric {
	lo, hi := 0, len(t.metrics)-1
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if t.metrics[mid].first <= ref {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return &t.metrics[lo]
}

// appendStale appends a marker for every series whose last sample was in the previous scrape.
func (w *walk) appendStale() {
	t := w.t
	last := t.iter - 1
	var outer, inner int
	var open *metric
	shut := func() {
		if open != nil {
			w.closeMetric(outer, inner)
			open = nil
		}
	}
	for ref := uint32(0); ref < uint32(t.placed); ref++ {
		s := &t.series[ref]
		if s.seen != last {
			continue
		}
		m := t.metricOf(ref)
		whole := m.shape >= shapeHistogram && t.allStale(s, ref)
		if m.shape >= shapeHistogram && !whole {
			shut()
			a, b := w.openNumber(ref)
			w.rest = appendPoint(w.rest, t.attrsOf(s), parked{value.StaleNaN, w.now}, wire.FlagNoRecordedValue)
			w.closeMetric(a, b)
			w.res.Items++
			continue
		}
		if open != m {
			shut()
			outer, inner = w.openMetric(m)
			open = m
		}
		w.res.Items++
		if whole {
			w.appendStaleGroup(&t.groups[s.group])
			ref += t.groups[s.group].n - 1
			continue
		}
		w.rest = appendPoint(w.rest, t.attrsOf(s), parked{value.StaleNaN, w.now}, wire.FlagNoRecordedValue)
	}
	shut()
}

// allStale reports whether ref is first in its group and all lines need a marker.
func (t *Template) allStale(s *series, ref uint32) bool {
	g := &t.groups[s.group]
	if g.first != ref {
		return false
	}
	for i := g.first; i < g.first+g.n; i++ {
		if t.series[i].seen != t.iter-1 || t.series[i].place != placeMember {
			return false
		}
	}
	return true
}

// appendStaleGroup appends the marker of a histogram or summary: its point with bounds and flag, without values.
func (w *walk) appendStaleGroup(g *group) {
	at := uint32(len(w.rest))
	w.rest = append(w.rest, w.t.otlp[g.start:g.end]...)
	put64(w.rest, at+g.time-g.start, w.now)
	put64(w.rest, at+g.time-g.start+groupCount, 0)
	put64(w.rest, at+g.time-g.start+groupSum, 0)
	step := uint32(8)
	if g.shape == shapeSummary {
		step = quantileSize
	}
	for i := uint32(0); i < g.n-firstMembers; i++ {
		put64(w.rest, at+g.counts-g.start+i*step, 0)
	}
	w.rest[at+g.flags-g.start] = wire.FlagNoRecordedValue
}

// appendExemplar appends an Exemplar. trace_id and span_id labels become the trace.
func appendExemplar(dst []byte, e exemplar.Exemplar) []byte {
	dst = wire.AppendFixed64(dst, wire.FieldExemplarTime, uint64(e.Ts*1e6))
	dst = wire.AppendFixed64(dst, wire.FieldExemplarDouble, math.Float64bits(e.Value))
	e.Labels.Range(func(l labels.Label) {
		field, size := 0, 0
		switch l.Name {
		case "trace_id":
			field, size = wire.FieldExemplarTraceID, 16
		case "span_id":
			field, size = wire.FieldExemplarSpanID, 8
		}
		if id, err := hex.DecodeString(l.Value); field != 0 && err == nil && len(id) == size {
			dst = wire.AppendBytes(dst, field, id)
			return
		}
		dst = wire.AppendStringAttribute(dst, wire.FieldExemplarAttributes, l.Name, l.Value)
	})
	return dst
}
