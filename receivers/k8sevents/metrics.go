package k8sevents

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	events, relists prometheus.Counter
	leader          prometheus.Gauge
}

// register makes the metrics and returns the counter of refused requests.
func (m *metrics) register(reg prometheus.Registerer) (refused prometheus.Counter) {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_k8s_events_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	m.events = counter("events_total", "Events that were delivered.")
	m.relists = counter("relists_total", "Times that all events were listed, because the API server had forgotten the version that was reached.")
	m.leader = prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_k8s_events_leader", Help: "1 while this process reads the events, by k8s_leader_elector."})
	reg.MustRegister(m.leader)
	return counter("refused_requests_total", "Requests that were refused and are repeated.")
}
