package logs

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sluiceio/sluice/store/logs/wal"
)

type ownMetrics struct {
	torn, corrupt, replayed prometheus.Counter
	checkpoints             prometheus.Histogram
	all                     []prometheus.Collector
}

func newOwnMetrics(s *Store) *ownMetrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_store_logs_" + name, Help: help})
	}
	m := &ownMetrics{
		torn:     counter("wal_torn_bytes_total", "Bytes at the end of the write-ahead log that a killed process left incomplete; they were never acknowledged."),
		corrupt:  counter("wal_corrupt_records_total", "Requests in the write-ahead log whose checksum was wrong: lost."),
		replayed: counter("replayed_rows_total", "Rows replayed from the write-ahead log at the start."),
		checkpoints: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_store_logs_checkpoint_seconds", Help: "How long appends waited for the store to write everything to disk.",
			Buckets: []float64{0.01, 0.03, 0.1, 0.3, 1, 3, 10},
		}),
	}
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_store_logs_wal_bytes", Help: "Size of the write-ahead log.",
	}, func() float64 {
		_, size := s.wal.State()
		return float64(size)
	})
	m.all = []prometheus.Collector{m.torn, m.corrupt, m.replayed, m.checkpoints, size}
	return m
}

func (m *ownMetrics) register(r prometheus.Registerer) error {
	for _, c := range m.all {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("cannot register the metrics of the log store: %w", err)
		}
	}
	return nil
}

func (m *ownMetrics) unregister(r prometheus.Registerer) {
	for _, c := range m.all {
		r.Unregister(c)
	}
}

func (m *ownMetrics) checkpoint(took time.Duration) { m.checkpoints.Observe(took.Seconds()) }

func (m *ownMetrics) damaged(d wal.Damage) {
	m.torn.Add(float64(d.Torn))
	m.corrupt.Add(float64(d.Corrupt))
}
