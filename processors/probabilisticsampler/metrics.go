package probabilisticsampler

import "github.com/prometheus/client_golang/prometheus"

func newClosed() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_sampler_undecided_items_total", Help: "Items that were dropped since there was nothing to decide by, as fail_closed says.",
	})
}
