package engine

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// TestNoCounterFallsOnReload: the next graph's components count on where those before them ended; gauges do not add up.
func TestNoCounterFallsOnReload(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := newHistory(reg)
	read := func() map[string]float64 {
		families, err := h.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.Metric {
				switch f.GetType() {
				case dto.MetricType_COUNTER:
					got[f.GetName()+m.Label[0].GetValue()] = m.Counter.GetValue()
				case dto.MetricType_GAUGE:
					got[f.GetName()] = m.Gauge.GetValue()
				case dto.MetricType_HISTOGRAM:
					got[f.GetName()] = float64(m.Histogram.GetSampleCount())*100 + float64(m.Histogram.Bucket[0].GetCumulativeCount())
				}
			}
		}
		return got
	}
	for graph := 1; graph <= 3; graph++ {
		tr := &tracked{to: prometheus.WrapRegistererWith(prometheus.Labels{"component": "exporter/a"}, reg)}
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total"}, []string{"code"})
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "in_flight"})
		d := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "duration", Buckets: []float64{1}})
		tr.MustRegister(c, g, d)
		c.WithLabelValues("200").Add(5)
		if graph == 1 {
			c.WithLabelValues("503").Inc() // only this graph meets one
		}
		g.Set(2)
		d.Observe(0.5)
		d.Observe(5)
		got := read()
		if got["requests_total200"] != float64(5*graph) || got["requests_total503"] != 1 || got["in_flight"] != 2 || got["duration"] != float64(graph*201) {
			t.Errorf("graph %d: %v", graph, got)
		}
		h.over(tr.unregisterAll)
	}
	// Between two graphs, and until the next one has counted, nothing is gone; gauges are.
	got := read()
	if got["requests_total200"] != 15 || got["duration"] != 3*201 {
		t.Errorf("after the last graph: %v", got)
	}
	if _, there := got["in_flight"]; there {
		t.Error("a gauge outlived its graph")
	}
}
