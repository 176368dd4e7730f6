package scrape

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestOwnMetricsNeedNoPort: scrape_self reads them in memory, as a job with a target of the host's name.
func TestOwnMetricsNeedNoPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := prometheus.NewRegistry()
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_test_total"})
		own.MustRegister(c)
		h := &history{was: map[string][]string{}}
		cfg := Default()
		cfg.ScrapeSelf = "sluice"
		cfg.Config = map[string]any{"global": map[string]any{"scrape_interval": "10s"}}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		settings, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
		settings.View.Own = own
		r, err := New(settings, cfg, pipeline.OutputsTo(h, pipeline.Metrics))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			c.Inc()
			time.Sleep(10 * time.Second)
		}
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		host, _ := os.Hostname()
		if got := h.was["sluice_test_total{"+host+"}"]; len(got) != 3 || got[0] != "1" || got[2] != "3" {
			t.Errorf("samples %v of %v", got, h.was)
		}
		if up := h.last("up{" + host + "}"); up != "1" {
			t.Errorf("up is %s", up)
		}
	})
	cfg := Default()
	cfg.ScrapeSelf = "sluice"
	cfg.Config = map[string]any{"scrape_configs": []any{map[string]any{"job_name": "sluice"}}}
	if err := cfg.Validate(); err == nil {
		t.Error("a second job of the name is no fault")
	}
}
