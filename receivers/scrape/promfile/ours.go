package promfile

import (
	"sync"

	"github.com/prometheus/prometheus/discovery"

	"github.com/sluiceio/sluice/receivers/scrape/kubesd"
)

// registered makes kubernetes_sd_configs ours: Prometheus' own package, which registers itself under the same name, is not linked.
var registered sync.Once

func register() { registered.Do(func() { discovery.RegisterConfig(&kubesd.Config{}) }) }
