package resourcedetection

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	incomplete prometheus.Counter
	failures   *prometheus.CounterVec
	attributes prometheus.Gauge
}

func newMetrics() metrics {
	return metrics{
		incomplete: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_resource_detection_incomplete_items_total", Help: "Items that passed while a detector had not answered or had failed.",
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_resource_detection_failures_total", Help: "Failed attempts of a detector.",
		}, []string{"detector"}),
		attributes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_resource_detection_attributes", Help: "Attributes that were detected.",
		}),
	}
}

func (m metrics) register(r prometheus.Registerer) error {
	return errors.Join(r.Register(m.incomplete), r.Register(m.failures), r.Register(m.attributes))
}
