package traces

import "github.com/prometheus/client_golang/prometheus"

type storeMetrics struct {
	queryBytes prometheus.Counter
}

func (m *storeMetrics) register(s *Store, hurt damage) {
	m.queryBytes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_store_trace_query_bytes_total",
		Help: "Bytes of spans, not compressed, that searches and tag requests have read.",
	})
	hours := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_store_trace_hours",
		Help: "Hours of which spans are stored; an hour is what retention drops at once.",
	}, func() float64 { return float64(len(*s.buckets.Load())) })
	torn := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_store_trace_wal_torn_bytes_total",
		Help: "Bytes at the end of the write-ahead log that could not be read at the start; a killed process leaves some that it never acknowledged.",
	})
	corrupt := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_store_trace_wal_corrupt_records_total",
		Help: "Places in the write-ahead log that could not be read at the start: the spans there are lost.",
	})
	torn.Add(float64(hurt.torn))
	corrupt.Add(float64(hurt.corrupt))
	s.settings.Metrics.MustRegister(m.queryBytes, hours, torn, corrupt)
}
