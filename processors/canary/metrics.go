package canary

import "github.com/prometheus/client_golang/prometheus"

// metrics are by canary: "instance" is the name of a label that Prometheus sets.
type metrics struct {
	received, missing, late, duplicate *prometheus.CounterVec
	latency                            *prometheus.HistogramVec
	ignored                            prometheus.Counter
}

// series are the metrics of one instance.
type series struct {
	received, missing, late, duplicate prometheus.Counter
	latency                            prometheus.Observer
}

func newMetrics() metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_canary_" + name + "_records_total", Help: help}, []string{"canary"})
	}
	return metrics{
		received:  counter("received", "Records of the canary that were delivered behind this processor, each time."),
		missing:   counter("missing", "Records of the canary that did not come within missing_after of a later one."),
		late:      counter("late", "Records of the canary that came after they were counted as missing, or too late to know."),
		duplicate: counter("duplicate", "Records of the canary that were delivered again."),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_canary_latency_seconds", Help: "Time from the making of a canary's record to its delivery behind this processor.",
			Buckets: []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800},
		}, []string{"canary"}),
		ignored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_canary_ignored_records_total", Help: "Records of canaries that are not followed, because there are too many instances.",
		}),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.received, m.missing, m.late, m.duplicate, m.latency, m.ignored}
}

// of makes the series of an instance, with 0.
func (m *metrics) of(name string) series {
	return series{
		m.received.WithLabelValues(name), m.missing.WithLabelValues(name), m.late.WithLabelValues(name),
		m.duplicate.WithLabelValues(name), m.latency.WithLabelValues(name),
	}
}

func (m *metrics) forget(name string) {
	for _, v := range []*prometheus.CounterVec{m.received, m.missing, m.late, m.duplicate} {
		v.DeleteLabelValues(name)
	}
	m.latency.DeleteLabelValues(name)
}
