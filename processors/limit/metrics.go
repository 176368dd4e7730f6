package limit

import "github.com/prometheus/client_golang/prometheus"

// metrics are of the budgets, and go over a reload with them. They have one series for each account.
type metrics struct {
	over   *prometheus.CounterVec
	active *prometheus.GaugeVec
}

func newMetrics() metrics {
	return metrics{
		over: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_limit_over_items_total", Help: "Items over the budget of a value, by what became of them.",
		}, []string{"value", "action"}),
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sluice_limit_active_series", Help: "Active series of a value that has a budget of them.",
		}, []string{"value"}),
	}
}

// Describe implements prometheus.Collector.
func (p *Processor) Describe(ch chan<- *prometheus.Desc) {
	b := p.budgets.Load()
	b.metrics.over.Describe(ch)
	b.metrics.active.Describe(ch)
}

// Collect implements prometheus.Collector.
func (p *Processor) Collect(ch chan<- prometheus.Metric) {
	b := p.budgets.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.values {
		if a.series != nil {
			b.metrics.active.WithLabelValues(a.name).Set(float64(a.series.active()))
		}
	}
	b.metrics.over.Collect(ch)
	b.metrics.active.Collect(ch)
}

// forget ends the series of a value.
func (m *metrics) forget(value string) {
	m.over.DeletePartialMatch(prometheus.Labels{"value": value})
	m.active.DeleteLabelValues(value)
}
