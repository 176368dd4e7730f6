package prometheus

import (
	"errors"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/scrape"
)

var errNoScraping = errors.New("the store scrapes nothing; the receivers do")

// families is the metadata of a store to the API.
type families struct{ Reader }

func asScraped(name string, m metadata.Metadata) scrape.MetricMetadata {
	return scrape.MetricMetadata{MetricFamily: name, Type: m.Type, Help: m.Help, Unit: m.Unit}
}

// ListMetadata implements scrape.MetricMetadataStore.
func (f families) ListMetadata() []scrape.MetricMetadata {
	all := f.Families()
	out := make([]scrape.MetricMetadata, 0, len(all))
	for name, m := range all {
		out = append(out, asScraped(name, m))
	}
	return out
}

// GetMetadata implements scrape.MetricMetadataStore.
func (f families) GetMetadata(name string) (scrape.MetricMetadata, bool) {
	m, ok := f.Family(name)
	return asScraped(name, m), ok
}

// SizeMetadata implements scrape.MetricMetadataStore.
func (f families) SizeMetadata() (n int) {
	for name, m := range f.Families() {
		n += len(name) + len(m.Type) + len(m.Help) + len(m.Unit)
	}
	return n
}

// LengthMetadata implements scrape.MetricMetadataStore.
func (f families) LengthMetadata() int { return len(f.Families()) }

// targets is what Prometheus' API takes for a scrape manager. Its metadata endpoint asks the targets, so one that
// stands for the whole store answers there; everywhere else there are none.
type targets struct{ active map[string][]*scrape.Target }

func newMetadataTarget(f families) targets {
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
