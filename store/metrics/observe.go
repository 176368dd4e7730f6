package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type storeMetrics struct {
	samples          prometheus.Counter
	refusedSamples   prometheus.Counter
	refusedExemplars prometheus.Counter
	cacheBytes       prometheus.Gauge
}

func (m *storeMetrics) register(s *Store, replay time.Duration) {
	m.samples = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_store_samples_total",
		Help: "Samples written to the metric store. A histogram point is several, and target_info is none of any point.",
	})
	m.refusedSamples = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_store_samples_refused_total",
		Help: "Samples that were not stored; their data points are in sluice_component_dropped_items_total with the reason.",
	})
	m.refusedExemplars = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_store_exemplars_refused_total",
		Help: "Exemplars that came too late or were too long; their samples were stored.",
	})
	m.cacheBytes = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sluice_store_series_cache_bytes",
		Help: "Memory that holds what is known of series between requests.",
	})
	took := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sluice_store_open_seconds",
		Help: "How long the metric store took to open, mostly to replay its write-ahead log.",
	})
	took.Set(replay.Seconds())
	s.settings.Metrics.MustRegister(m.samples, m.refusedSamples, m.refusedExemplars, m.cacheBytes, took)
}

// tee registers twice: with the process, where a reload unregisters, and for status/tsdb.
type tee []prometheus.Registerer

// Register implements prometheus.Registerer.
func (t tee) Register(c prometheus.Collector) error {
	for i, r := range t {
		if err := r.Register(c); err != nil {
			tee(t[:i]).Unregister(c)
			return err
		}
	}
	return nil
}

// MustRegister implements prometheus.Registerer.
func (t tee) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := t.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister implements prometheus.Registerer.
func (t tee) Unregister(c prometheus.Collector) bool {
	all := true
	for _, r := range t {
		all = r.Unregister(c) && all
	}
	return all
}
