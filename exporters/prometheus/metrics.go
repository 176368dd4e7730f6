package prometheus

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type counters struct{ scrapes, unscraped prometheus.Counter }

func (e *Exporter) register() error {
	e.counters = counters{
		scrapes: prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_prometheus_scrapes_total", Help: "Scrapes that were answered to their end."}),
		unscraped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_prometheus_unscraped_series_total", Help: "Series that expired and nobody had scraped since their last sample.",
		}),
	}
	live := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sluice_prometheus_series", Help: "Series that are exposed."}, func() float64 {
		e.mu.Lock()
		defer e.mu.Unlock()
		return float64(e.table.live)
	})
	for _, m := range []prometheus.Collector{e.counters.scrapes, e.counters.unscraped, live} {
		if err := e.settings.Metrics.Register(m); err != nil {
			return fmt.Errorf("cannot register metrics: %w", err)
		}
	}
	return nil
}
