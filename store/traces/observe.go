package traces

import "github.com/prometheus/client_golang/prometheus"

type storeMetrics struct {
	queryBytes prometheus.Counter
}

func (m *storeMetrics) register(s *Store) {
	m.queryBytes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_store_trace_query_bytes_total",
		Help: "Bytes of spans, not compressed, that searches and tag requests have read.",
	})
	hours := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_store_trace_hours",
		Help: "Hours of which spans are stored; an hour is what retention drops at once.",
	}, func() float64 { return float64(len(*s.buckets.Load())) })
	s.settings.Metrics.MustRegister(m.queryBytes, hours)
}
