package store

import "github.com/prometheus/client_golang/prometheus"

func (d *disk) register(reg prometheus.Registerer) error {
	d.dropped = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sluice_store_units_removed_total", Help: "Blocks and days that were removed to stay within max_disk.",
	})
	for _, c := range []prometheus.Collector{
		d.dropped,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_store_disk_bytes", Help: "What all stores together use.",
		}, func() float64 { return float64(d.used()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_store_disk_limit_bytes", Help: "What all stores together may use.",
		}, func() float64 { return float64(d.cfg.MaxDisk) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_store_disk_low", Help: "1 while the disk has less room than min_free_disk and nothing is taken in.",
		}, func() float64 { return number(d.low.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_store_disk_full", Help: "1 while the stores exceed max_disk, nothing older is left to remove, and nothing is taken in.",
		}, func() float64 { return number(d.full.Load()) }),
	} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
