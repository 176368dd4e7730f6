package host

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	collections prometheus.Counter
	failures    prometheus.Counter // of collectors
}

func (m *metrics) register(reg prometheus.Registerer) {
	m.collections = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_host_collections_total", Help: "Times the machine was read.",
	})
	m.failures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_host_collector_failures_total", Help: "Collectors that failed or took too long, summed over the readings.",
	})
	reg.MustRegister(m.collections, m.failures)
}
