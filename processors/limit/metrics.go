package limit

import "github.com/prometheus/client_golang/prometheus"

var (
	descOver = prometheus.NewDesc("sluice_limit_over_items_total", "Items over the budget of a value, by what became of them.", []string{"value", "action"}, nil)
	descUsed = prometheus.NewDesc("sluice_limit_active_series", "Active series of a value that has a budget of them.", []string{"value"}, nil)
)

// Describe implements prometheus.Collector.
func (p *Processor) Describe(ch chan<- *prometheus.Desc) { ch <- descOver; ch <- descUsed }

// Collect implements prometheus.Collector: the values of max_values at most.
func (p *Processor) Collect(ch chan<- prometheus.Metric) {
	p.budgets.mu.Lock()
	defer p.budgets.mu.Unlock()
	for _, a := range p.budgets.values {
		for i, action := range [...]string{onLimitRefuse, onLimitDrop} {
			if a.over[i] > 0 {
				ch <- prometheus.MustNewConstMetric(descOver, prometheus.CounterValue, float64(a.over[i]), a.name, action)
			}
		}
		if a.series != nil {
			ch <- prometheus.MustNewConstMetric(descUsed, prometheus.GaugeValue, float64(a.series.active()), a.name)
		}
	}
}
