package kubestate

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	collections prometheus.Counter
	series      prometheus.Gauge
	leader      prometheus.Gauge
}

func (m *metrics) register(reg prometheus.Registerer) {
	m.collections = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_kube_state_collections_total", Help: "Times the series were made of the objects.",
	})
	m.series = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sluice_kube_state_series", Help: "Series of the last collection, without stale markers.",
	})
	m.leader = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sluice_kube_state_leader", Help: "1 while this process makes the series, by k8s_leader_elector.",
	})
	reg.MustRegister(m.collections, m.series, m.leader)
}
