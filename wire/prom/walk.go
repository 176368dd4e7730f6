package prom

import (
	"math"
	"time"

	"github.com/sluiceio/sluice/wire"
)

// points is what the cache knows of a data point: the series its samples belong to, side by side in the table.
type points struct {
	first, n uint32
	why      Why
}

// series is one label set, and what the sink remembers of it.
type series struct {
	labels handle
	size   uint32
	slot   uint64
}

// movePoints carries the series of an entry to another table.
func movePoints(to, from *table[points], v points) points {
	first := uint32(len(to.series))
	for _, s := range from.series[v.first : v.first+v.n] {
		s.labels = to.bytes.hold(from.bytes.view(s.labels, s.size))
		to.series = append(to.series, s)
	}
	v.first = first
	return v
}

// walkResource walks one ResourceMetrics.
func (t *Translator) walkResource(rs *wire.Resources) error {
	o := origin{resourceBody: rs.Resource()}
	t.earliest, t.latest = math.MaxUint64, 0
	for ss := rs.Scopes(); ss.Next(); {
		o.scopeBody, o.scope = ss.Scope(), nil
		for ms := ss.Items(); ms.Next(); {
			m := wire.ParseMetric(ms.Bytes())
			if err := t.walkMetric(&m, t.metric(&m, &o)); err != nil {
				return err
			}
		}
	}
	if t.latest > 0 && o.resource.info != nil {
		return t.targetInfo(o.resource)
	}
	return nil
}

// walkMetric walks the points of one Metric.
func (t *Translator) walkMetric(m *wire.Metric, n *metric) error {
	if n.why != 0 {
		for ps := m.Points(); ps.Next(); {
			t.refuse(n.why, n)
		}
		return nil
	}
	t.sample = Sample{Family: n.family}
	var walk func(*metric, []byte) error
	switch m.Type {
	case wire.MetricGauge, wire.MetricSum:
		return t.walkNumbers(m, n)
	case wire.MetricHistogram:
		walk = t.walkHistogram
	case wire.MetricExponentialHistogram:
		walk = t.walkExponential
	case wire.MetricSummary:
		walk = t.walkSummary
	}
	for ps := m.Points(); ps.Next(); {
		if err := walk(n, ps.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// refuse counts a point that cannot be a sample.
func (t *Translator) refuse(w Why, n *metric) {
	t.report.Points++
	t.report.refuse(w, n.name)
}

// begin starts the samples of a point.
func (t *Translator) begin(n *metric, at, start uint64) {
	t.sample.Point = t.report.Points
	t.report.Points++
	t.sample.Time = int64(at) / int64(time.Millisecond)
	t.sample.Start = int64(start) / int64(time.Millisecond)
	t.sample.Exemplars = nil
	if n.resource != nil {
		t.earliest, t.latest = min(t.earliest, at), max(t.latest, at)
	}
}

// emit hands the sample to the sink as one of the i-th series of the current table.
func (t *Translator) emit(i uint32, value float64) error {
	s := &t.points.cur.series[i]
	t.sample.Labels = t.points.cur.bytes.view(s.labels, s.size)
	t.sample.Slot = &s.slot
	t.sample.Value = value
	if t.sample.Stale && t.sample.Histogram == nil {
		t.sample.Value = StaleNaN()
	}
	t.report.Samples++
	return t.sink.Sample(&t.sample)
}

// walkNumbers walks the points of a gauge or sum, the hot path.
func (t *Translator) walkNumbers(m *wire.Metric, n *metric) error {
	for ps := m.Points(); ps.Next(); {
		b := ps.Bytes()
		p := parseNumber(b)
		i, ok := t.points.get(n.id, p.attributes)
		if !ok {
			i = t.learnNumber(n, p.attributes, b)
		}
		v := t.points.cur.entries[i].value
		if v.why != 0 {
			t.refuse(v.why, n)
			continue
		}
		t.begin(n, p.time, p.start)
		t.sample.Stale = p.stale
		if p.exemplars && !p.stale {
			t.readExemplars(wire.ParseNumberPoint(b).Exemplars())
			t.sample.Exemplars = t.exemplars.list
		}
		if err := t.emit(v.first, p.value); err != nil {
			return err
		}
	}
	return nil
}

// learnNumber adds a number point to the cache.
func (t *Translator) learnNumber(n *metric, key, body []byte) int {
	to := t.points.room()
	v := points{first: uint32(len(to.series))}
	if v.why = t.learnLabels(n, wire.ParseNumberPoint(body).Attributes()); v.why == 0 {
		t.hold(to, n.family.Name)
		v.n = 1
	}
	return t.points.put(n.id, key, v, 0)
}

// Prometheus looks back five minutes for a value; a target_info twice in that time is always found. The number of
// samples is bounded because one point of the year 1970 must not ask for millions.
const (
	infoInterval = uint64(150 * time.Second)
	maxInfo      = 32
)

// targetInfo writes the target_info of a resource over the time its points cover.
func (t *Translator) targetInfo(r *resource) error {
	from := t.earliest
	if t.latest-from > maxInfo*infoInterval {
		from = t.latest - maxInfo*infoInterval
	}
	t.sample = Sample{Labels: r.info, Slot: &r.infoSlot, Family: &t.infoFamily, Point: -1, Value: 1}
	for at := from; ; at += min(infoInterval, t.latest-at) {
		t.sample.Time = int64(at) / int64(time.Millisecond)
		t.report.Samples++
		if err := t.sink.Sample(&t.sample); err != nil || at == t.latest {
			return err
		}
	}
}
