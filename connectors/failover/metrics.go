package failover

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics registers the connector's metrics and returns the counter.
func metrics(reg prometheus.Registerer, active func() float64) (switches prometheus.Counter, err error) {
	switches = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_failover_switches_total",
		Help: "How often another priority level became the best that takes.",
	})
	return switches, errors.Join(reg.Register(switches), reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_failover_active_level",
		Help: "The best priority level that takes, from 0 on; -1 if every level refused the last time.",
	}, active)))
}
