package metrics

import (
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"

	"github.com/sluiceio/sluice/wire/prom"
)

// maxFamilies bounds what is remembered of metric families; about 5 MB.
const maxFamilies = 20_000

// families is the metadata behind /api/v1/metadata. It is filled by the writer when its cache meets a metric, so that
// it costs nothing per sample, and is complete again within one scrape interval after a start.
type families struct {
	mu     sync.RWMutex
	byName map[string]scrape.MetricMetadata
}

// add remembers a family. The description sent last counts.
func (f *families) add(from *prom.Family) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byName == nil {
		f.byName = map[string]scrape.MetricMetadata{}
	}
	if _, known := f.byName[from.Name]; !known && len(f.byName) >= maxFamilies {
		return
	}
	f.byName[from.Name] = scrape.MetricMetadata{
		MetricFamily: from.Name, Type: model.MetricType(from.Type), Help: from.Help, Unit: from.Unit,
	}
}

// ListMetadata implements scrape.MetricMetadataStore.
func (f *families) ListMetadata() []scrape.MetricMetadata {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := make([]scrape.MetricMetadata, 0, len(f.byName))
	for _, m := range f.byName {
		out = append(out, m)
	}
	return out
}

// GetMetadata implements scrape.MetricMetadataStore.
func (f *families) GetMetadata(name string) (scrape.MetricMetadata, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	m, ok := f.byName[name]
	return m, ok
}

// SizeMetadata implements scrape.MetricMetadataStore.
func (f *families) SizeMetadata() (n int) {
	for _, m := range f.ListMetadata() {
		n += len(m.MetricFamily) + len(m.Type) + len(m.Help) + len(m.Unit)
	}
	return n
}

// LengthMetadata implements scrape.MetricMetadataStore.
func (f *families) LengthMetadata() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.byName)
}

// targets is what Prometheus' API takes for a scrape manager. Its metadata endpoint asks the targets, so one that
// stands for the whole store answers there; everywhere else there are none.
type targets struct{ active map[string][]*scrape.Target }

func newMetadataTarget(f *families) targets {
	t := scrape.NewTarget(labels.FromStrings(model.AddressLabel, "store"), &config.ScrapeConfig{}, nil, nil)
	t.SetMetadataStore(f)
	return targets{active: map[string][]*scrape.Target{"store": {t}}}
}

// TargetsActive implements v1.TargetRetriever.
func (t targets) TargetsActive() map[string][]*scrape.Target { return t.active }

// TargetsDropped implements v1.TargetRetriever.
func (t targets) TargetsDropped() map[string][]*scrape.Target { return nil }

// TargetsDroppedCounts implements v1.TargetRetriever.
func (t targets) TargetsDroppedCounts() map[string]int { return map[string]int{} }

// ScrapePoolConfig implements v1.TargetRetriever.
func (t targets) ScrapePoolConfig(string) (*config.ScrapeConfig, error) {
	return nil, errNoScraping
}

// ScrapePools implements v1.ScrapePoolsRetriever.
func (t targets) ScrapePools() []string { return nil }
