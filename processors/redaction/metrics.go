package redaction

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
)

// metrics say that the processor works, and which ready-made rule finds what.
type metrics struct {
	masked, removed prometheus.Counter
	found           []prometheus.Counter // by rule
}

func newMetrics(s pipeline.Settings, rules []rule) (m metrics, err error) {
	values := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_redaction_values_total", Help: "Attributes, and values in log bodies, that were masked or removed.",
	}, []string{"action"})
	m.masked, m.removed = values.WithLabelValues("masked"), values.WithLabelValues("removed")
	found := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_redaction_found_total", Help: "What a ready-made rule found and masked.",
	}, []string{"rule"})
	for _, r := range rules {
		m.found = append(m.found, found.WithLabelValues(r.name))
	}
	return m, errors.Join(s.Metrics.Register(values), s.Metrics.Register(found))
}

// add books what a run did.
func (m *metrics) add(r *run) {
	m.masked.Add(float64(r.masks))
	m.removed.Add(float64(r.removals))
	for i, n := range r.found {
		if n > 0 {
			m.found[i].Add(float64(n))
		}
	}
}
