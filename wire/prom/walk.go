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
	t.at = place{resourceBody: rs.Resource()}
	t.earliest, t.latest = math.MaxUint64, 0
	for ss := rs.Scopes(); ss.Next(); {
		t.at.scopeBody, t.at.scope = ss.Scope(), nil
		for ms := ss.Items(); ms.Next(); {
			m := wire.ParseMetric(ms.Bytes())
			t.enter(&m)
			if err := t.walkMetric(&m); err != nil {
				return err
			}
		}
	}
	if t.latest > 0 && t.at.resource.info != nil {
		return t.targetInfo(t.at.resource)
	}
	return nil
}

// walkMetric walks the points of one Metric.
func (t *Translator) walkMetric(m *wire.Metric) error {
	if why := t.at.metric.why; why != 0 {
		for ps := m.Points(); ps.Next(); {
			t.refuse(why)
		}
		return nil
	}
	t.sample = Sample{Family: t.at.metric.family}
	for ps := m.Points(); ps.Next(); {
		var err error
		switch m.Type {
		case wire.MetricGauge, wire.MetricSum:
			err = t.walkNumber(ps.Bytes())
		case wire.MetricHistogram:
			err = t.walkHistogram(ps.Bytes())
		case wire.MetricExponentialHistogram:
			err = t.walkExponential(ps.Bytes())
		case wire.MetricSummary:
			err = t.walkSummary(ps.Bytes())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refuse counts a point that cannot be a sample.
func (t *Translator) refuse(w Why) {
	t.report.refuse(w, t.at.metric.name)
	if t.refuser != nil {
		t.refuser.Refused(t.report.Points, w, t.at.metric.name)
	}
	t.report.Points++
}

// begin starts the samples of a point.
func (t *Translator) begin(at, start uint64) {
	t.sample.Point = t.report.Points
	t.report.Points++
	t.sample.Time = int64(at) / int64(time.Millisecond)
	t.sample.Start = int64(start) / int64(time.Millisecond)
	t.sample.Exemplars = nil
	if !t.at.metric.verbatim {
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

// walkNumber hands a point of a gauge or sum over, the hot path.
func (t *Translator) walkNumber(b []byte) error {
	i, guess := t.points.guess(t.at.in)
	p := parseNumber(b, guess)
	if p.guessed {
		t.points.last = i
	} else {
		var ok bool
		if i, ok = t.points.search(t.at.in, p.attributes); !ok {
			i = t.learnOne(p.attributes, wire.ParseNumberPoint(b).Attributes())
		}
	}
	v := &t.points.cur.entries[i].value
	if v.why != 0 {
		t.refuse(v.why)
		return nil
	}
	t.begin(p.time, p.start)
	t.sample.Stale = p.stale
	if p.exemplars && !p.stale {
		t.readExemplars(wire.ParseNumberPoint(b).Exemplars())
		t.sample.Exemplars = t.exemplars.list
	}
	return t.emit(v.first, p.value)
}

// learnOne adds a point of one series to the cache.
func (t *Translator) learnOne(key []byte, attributes wire.Attributes) int {
	t.budget.room()
	v := t.learnPoint(attributes)
	if v.why == 0 {
		t.hold("")
	}
	return t.learned(key, v)
}

// learnPoint starts a point whose series are held next.
func (t *Translator) learnPoint(attributes wire.Attributes) points {
	return points{first: uint32(len(t.points.cur.series)), why: t.learnLabels(attributes)}
}

// learned adds the point to the cache.
func (t *Translator) learned(key []byte, v points) int {
	v.n = uint32(len(t.points.cur.series)) - v.first
	return t.points.put(t.at.in, key, v, 0)
}

// Prometheus looks back five minutes for a value; a target_info twice in that time is always found. The number of
// samples is bounded because one point of the year 1970 must not ask for millions.
const (
	infoInterval = uint64(150 * time.Second)
	maxInfo      = 8
)

// InfoLost says that what was written lately may not have arrived: the newest target_info of each resource is written once
// more when its request comes again.
func (t *Translator) InfoLost() { t.lost++ }

// targetInfo writes the target_info of a resource over the time its points cover, as far as that is behind what was
// written before: a store that takes nothing out of order would refuse the request for something that nobody sent.
func (t *Translator) targetInfo(r *resource) error {
	from := t.earliest
	if t.latest-from > maxInfo*infoInterval {
		from = t.latest - maxInfo*infoInterval
	}
	t.sample = Sample{Labels: r.info, Slot: &r.infoSlot, Family: &t.infoFamily, Point: -1, Value: 1}
	for at := from; ; at += min(infoInterval, t.latest-at) {
		if at > r.infoAt || at == r.infoAt && r.lost != t.lost { // stores take the last sample of a series twice
			r.infoAt, r.lost = at, t.lost
			t.sample.Time = int64(at) / int64(time.Millisecond)
			t.report.Samples++
			if err := t.sink.Sample(&t.sample); err != nil {
				return err
			}
		}
		if at == t.latest {
			return nil
		}
	}
}
