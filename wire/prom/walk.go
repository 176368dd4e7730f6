package prom

import (
	"math"
	"time"

	"github.com/sluiceio/sluice/wire"
)

// points is a cached data point: its series, adjacent in the table.
type points struct {
	first, n uint32
	why      Why
}

type series struct {
	labels handle
	size   uint32
	slot   uint64
}

func movePoints(to, from *table[points], v points) points {
	first := uint32(len(to.series))
	for _, s := range from.series[v.first : v.first+v.n] {
		s.labels = to.bytes.hold(from.bytes.view(s.labels, s.size))
		to.series = append(to.series, s)
	}
	v.first = first
	return v
}

func (t *Translator) walkResource(rs *wire.Resources) error {
	t.at = place{resourceBody: rs.Resource()}
	t.earliest, t.latest = math.MaxUint64, 0
	for ss := rs.Scopes(); ss.Next(); {
		t.at.scopeBody, t.at.scope, t.at.within = ss.Scope(), nil, nil
		if t.cfg.ScopeInfo {
			t.at.schema = ss.SchemaURL()
		}
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

func (t *Translator) walkMetric(m *wire.Metric) error {
	if why := t.at.metric.why; why != 0 {
		for ps := m.Points(); ps.Next(); {
			t.refuse(why)
		}
		return nil
	}
	t.sample = Sample{Family: t.at.metric.family, Delta: t.at.metric.delta}
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

func (t *Translator) refuse(w Why) {
	t.report.refuse(w, t.at.metric.name)
	if t.refuser != nil {
		t.refuser.Refused(t.report.Points, w, t.at.metric.name)
	}
	t.report.Points++
}

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

// emit gives the sample to the sink as the i-th series of the current table.
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

// walkNumber emits a point of a gauge or sum, the hot path.
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

// learnOne caches a point of one series.
func (t *Translator) learnOne(key []byte, attributes wire.Attributes) int {
	t.budget.room()
	v := t.learnPoint(attributes)
	if v.why == 0 {
		t.hold("")
	}
	return t.learned(key, v)
}

func (t *Translator) learnPoint(attributes wire.Attributes) points {
	return points{first: uint32(len(t.points.cur.series)), why: t.learnLabels(attributes)}
}

func (t *Translator) learned(key []byte, v points) int {
	v.n = uint32(len(t.points.cur.series)) - v.first
	return t.points.put(t.at.in, key, v, 0)
}

// Prometheus looks back five minutes, so twice in that time is always found. The number is bounded, or a point of
// the year 1970 would cause millions.
const (
	infoInterval = uint64(150 * time.Second)
	maxInfo      = 8
)

// InfoLost says that recent samples may be lost: the newest target_info of each resource is written again with its
// next request.
func (t *Translator) InfoLost() { t.lost++ }

// targetInfo writes target_info over the time of the resource's points, only after the last one written: a store
// that refuses out-of-order samples would refuse the request.
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
