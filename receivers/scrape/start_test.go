package scrape

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// broken is a discovery mechanism whose metrics cannot be registered while it is set.
type broken struct{}

var (
	isBroken       atomic.Bool
	registerBroken = sync.OnceFunc(func() { discovery.RegisterConfig(broken{}) }) // the registry takes a name once
)

func (broken) Name() string { return "broken" }

func (broken) NewDiscoverer(discovery.DiscovererOptions) (discovery.Discoverer, error) {
	return nil, errors.New("not for use")
}

func (broken) NewDiscovererMetrics(prometheus.Registerer, discovery.RefreshMetricsInstantiator) discovery.DiscovererMetrics {
	return brokenMetrics{}
}

type brokenMetrics struct{}

func (brokenMetrics) Register() error {
	if isBroken.Load() {
		return errors.New("no metrics")
	}
	return nil
}

func (brokenMetrics) Unregister() {}

// TestAFailedStartLeavesNothingRunning: nobody stops a receiver that did not start.
func TestAFailedStartLeavesNothingRunning(t *testing.T) {
	registerBroken()
	isBroken.Store(true)
	defer isBroken.Store(false)
	before := goleak.IgnoreCurrent()
	file := filepath.Join(t.TempDir(), "targets.json")
	if err := os.WriteFile(file, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	text := "scrape_configs:\n- job_name: a\n  static_configs: [{targets: ['127.0.0.1:1']}]\n  file_sd_configs: [{files: ['" + file + "']}]\n"
	if err := yaml.Unmarshal([]byte(text), &cfg.Config); err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
	r, err := New(s, cfg, pipeline.OutputsTo(s.Entrance(pipeline.Metrics, newUps()), pipeline.Metrics))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "no metrics") {
		t.Errorf("started: %v", err)
	}
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
