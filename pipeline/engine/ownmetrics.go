package engine

import (
	"regexp"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// ownMetrics are the service's metrics. Names are a contract: dashboards and alert rules use them.
type ownMetrics struct {
	reloadOK prometheus.Gauge
	reloadAt prometheus.Gauge
}

func (m *ownMetrics) register(reg *prometheus.Registry, s *Service) {
	m.reloadOK = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sluice_config_last_reload_successful", Help: "1 if the last attempt to load a configuration succeeded.",
	})
	m.reloadAt = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sluice_config_last_reload_success_timestamp_seconds", Help: "When a configuration was last loaded.",
	})
	m.reloadOK.Set(1)
	m.reloadAt.SetToCurrentTime()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sluice_build_info", Help: "1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": s.host.version, "goversion": runtime.Version()},
	})
	info.Set(1)
	reg.MustRegister(
		s.host.ledger, m.reloadOK, m.reloadAt, info,
		// go_gc_heap_live_bytes shows heap growth without the saw tooth.
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{
			Matcher: regexp.MustCompile("^/gc/heap/live:bytes$"),
		})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_admission_reserved_bytes", Help: "Bytes reserved by receivers for telemetry in flight.",
		}, func() float64 { return float64(s.host.budget.Used()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_admission_limit_bytes", Help: "Bytes that may be reserved by receivers at once.",
		}, func() float64 { return float64(s.host.budget.Limit()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sluice_admission_refused_total", Help: "Requests refused by receivers for lack of budget.",
		}, func() float64 { return float64(s.host.budget.Refusals()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_queue_orphans", Help: "Queues on disk that hold something and belong to no configured exporter; see `sluice queue ls`.",
		}, func() float64 { return float64(s.orphans.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_ready", Help: "1 while telemetry is taken in.",
		}, func() float64 {
			if s.notReady() == nil {
				return 1
			}
			return 0
		}),
	)
}

func (m *ownMetrics) reloaded(ok bool) {
	if !ok {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadAt.SetToCurrentTime()
}
