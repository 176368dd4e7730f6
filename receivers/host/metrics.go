package host

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	collections prometheus.Counter
	failures    prometheus.Counter // of collectors
	badFiles    prometheus.Counter
	leftOut     prometheus.Counter
}

func (m *metrics) register(reg prometheus.Registerer) {
	m.collections = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_host_collections_total", Help: "Times the machine was read.",
	})
	m.failures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_host_collector_failures_total", Help: "Collectors that failed or took too long, summed over the readings.",
	})
	m.badFiles = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_host_textfile_errors_total", Help: "Text files and their folders that could not be read, summed over the readings.",
	})
	m.leftOut = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_host_textfile_metrics_left_out_total",
		Help: "Series of text files that were left out because a collector has a metric of that name, summed over the readings.",
	})
	reg.MustRegister(m.collections, m.failures, m.badFiles, m.leftOut)
}
