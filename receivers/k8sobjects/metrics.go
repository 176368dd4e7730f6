package k8sobjects

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	objects, relists, refused prometheus.Counter
	leader                    prometheus.Gauge
}

func (m *metrics) register(reg prometheus.Registerer) {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_k8sobjects_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	m.objects = counter("records_total", "Objects and changes that were delivered.")
	m.relists = counter("relists_total", "Times that a watch listed all objects, because the API server had forgotten the version that was reached.")
	m.refused = counter("refused_requests_total", "Requests that were refused and are repeated.")
	m.leader = prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_k8sobjects_leader", Help: "1 while this process reads objects, by k8s_leader_elector."})
	reg.MustRegister(m.leader)
}
