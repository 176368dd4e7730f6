package prom

import (
	"github.com/prometheus/otlptranslator"
	"github.com/sluiceio/sluice/wire"
)

// resource is what a Resource contributes to translated series.
type resource struct {
	id            uint64
	job, instance string
	promoted      labelSet
	info          Labels // of target_info; nil if there is none
	infoSlot      uint64
	infoAt        uint64 // time of the newest target_info, ns
	lost          uint64 // the translator's, when it was written
}

// scope is what an InstrumentationScope contributes to verbatim series, or, with its resource, to translated ones.
type scope struct {
	id            uint64
	job, instance string
	labels        labelSet
}

// metric is what a Metric contributes to its series.
type metric struct {
	id       uint64
	name     string // as sent
	family   *Family
	why      Why // no point of the metric can be a sample
	verbatim bool
	delta    bool // its points are to be added up
}

// place is the position of the walk. The resource and scope are looked up only when needed.
type place struct {
	resourceBody, scopeBody []byte
	schema                  []byte // the scope's
	resource                *resource
	scope                   *scope // of verbatim series
	within                  *scope // of translated ones
	metric                  *metric
	in                      parent // of the points of the metric
}

// enter moves to a metric and looks up its context.
func (t *Translator) enter(m *wire.Metric) {
	at := &t.at
	at.metric = t.metric(m)
	if at.metric.verbatim {
		if at.scope == nil {
			at.scope = t.scope(at.scopeBody)
		}
		at.in = parent{at.metric.id, at.scope.id}
		return
	}
	if at.resource == nil {
		at.resource = t.resource(at.resourceBody)
	}
	if !t.cfg.ScopeInfo {
		at.in = parent{at.metric.id, at.resource.id}
		return
	}
	if at.within == nil {
		at.within = t.scopeWithin(at.resource)
	}
	at.in = parent{at.metric.id, at.within.id}
}

// scopeWithin is the current scope, as it is for the series of a resource.
func (t *Translator) scopeWithin(r *resource) *scope {
	t.key = wire.AppendVarint(t.key[:0], uint64(len(t.at.schema)))
	t.key = append(append(t.key, t.at.schema...), t.at.scopeBody...)
	in := parent{r.id, 0}
	i, ok := t.scopes.get(in, t.key)
	if !ok {
		s := t.learnScope()
		t.budget.room()
		i = t.scopes.put(in, t.key, s, 64+64*len(s.labels))
	}
	return t.scopes.cur.entries[i].value
}

func (t *Translator) resource(body []byte) *resource {
	i, ok := t.resources.get(parent{}, body)
	if !ok {
		r := t.learnResource(body)
		t.budget.room()
		i = t.resources.put(parent{}, body, r, 128+len(r.info)+64*len(r.promoted))
	}
	return t.resources.cur.entries[i].value
}

func (t *Translator) scope(body []byte) *scope {
	i, ok := t.scopes.get(parent{}, body)
	if !ok {
		s := &scope{id: t.nextID()}
		for a := wire.ParseScope(body).Attributes(); a.Next(); {
			switch string(a.Key()) {
			case jobLabel:
				s.job = t.string(a.Value())
			case instanceLabel:
				s.instance = t.string(a.Value())
			}
		}
		t.budget.room()
		i = t.scopes.put(parent{}, body, s, len(s.job)+len(s.instance)+64)
	}
	return t.scopes.cur.entries[i].value
}

// metric looks up the metric of m. Its identity is everything but the points.
func (t *Translator) metric(m *wire.Metric) *metric {
	typ, verbatim := m.Metadata().Find(TypeKey)
	flags := byte(m.Type) << 4
	if m.Monotonic {
		flags |= 8
	}
	flags |= byte(min(max(m.Temporality, 0), 3)) << 1
	if verbatim {
		flags |= 1
	}
	k := append(t.key[:0], flags)
	for _, part := range [...][]byte{m.Name, m.Unit, m.Description} {
		k = wire.AppendVarint(k, uint64(len(part)))
		k = append(k, part...)
	}
	t.key = append(k, typ.Str()...)

	i, ok := t.metrics.get(parent{}, t.key)
	if !ok {
		n := t.learnMetric(m, typ, verbatim)
		t.budget.room()
		i = t.metrics.put(parent{}, t.key, n, 192+len(t.key))
	}
	return t.metrics.cur.entries[i].value
}

func (t *Translator) learnMetric(m *wire.Metric, typ wire.Value, verbatim bool) *metric {
	n := &metric{id: t.nextID(), name: string(m.Name), verbatim: verbatim, family: &Family{Help: string(m.Description)}}
	switch m.Type {
	case wire.MetricSum, wire.MetricHistogram, wire.MetricExponentialHistogram:
		switch m.Temporality {
		case wire.TemporalityCumulative:
		case wire.TemporalityDelta:
			if n.delta = t.cfg.Deltas && (m.Type == wire.MetricHistogram || m.Monotonic); !n.delta {
				n.why = WhyDelta
			}
		default:
			n.why = WhyTemporality
		}
	}
	if verbatim {
		n.family.Name, n.family.Type, n.family.Unit = string(m.Name), string(typ.Str()), string(m.Unit)
	} else {
		n.family.Type = familyType(m)
		n.family.Unit = t.unitName.Build(string(m.Unit))
		// An error means an unusable name, as does the empty name.
		n.family.Name, _ = t.metricName.Build(otlptranslator.Metric{
			Name: string(m.Name), Unit: string(m.Unit), Type: translatorType(m),
		})
	}
	if n.why == 0 && n.family.Name == "" {
		n.why = WhyName
	}
	return n
}

func familyType(m *wire.Metric) string {
	switch m.Type {
	case wire.MetricSum:
		if m.Monotonic {
			return "counter"
		}
		return "gauge"
	case wire.MetricGauge:
		return "gauge"
	case wire.MetricHistogram, wire.MetricExponentialHistogram:
		return "histogram"
	case wire.MetricSummary:
		return "summary"
	}
	return "unknown"
}

func translatorType(m *wire.Metric) otlptranslator.MetricType {
	switch m.Type {
	case wire.MetricSum:
		if m.Monotonic {
			return otlptranslator.MetricTypeMonotonicCounter
		}
		return otlptranslator.MetricTypeNonMonotonicCounter
	case wire.MetricGauge:
		return otlptranslator.MetricTypeGauge
	case wire.MetricHistogram:
		return otlptranslator.MetricTypeHistogram
	case wire.MetricExponentialHistogram:
		return otlptranslator.MetricTypeExponentialHistogram
	case wire.MetricSummary:
		return otlptranslator.MetricTypeSummary
	}
	return otlptranslator.MetricTypeUnknown
}

func (t *Translator) string(v wire.Value) string {
	t.text = v.AppendText(t.text[:0])
	return string(t.text)
}
