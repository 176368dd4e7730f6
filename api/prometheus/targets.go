package prometheus

import (
	"errors"
	"maps"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/scrape"
)

var errNoSteps = errors.New("the embedded store does not show the steps of relabelling")

// A Scraper is a scraping receiver: its targets by job, and the number dropped by relabelling.
type Scraper interface {
	Targets() (active map[string][]*scrape.Target, dropped map[string]int)
}

// scraped adapts scrapers to Prometheus' API.
type scraped struct{ scrapers func() []Scraper }

// TargetsActive implements v1.TargetRetriever.
func (s scraped) TargetsActive() map[string][]*scrape.Target {
	all := map[string][]*scrape.Target{}
	for _, r := range s.scrapers() {
		active, _ := r.Targets()
		for job, targets := range active {
			all[job] = append(all[job], targets...)
		}
	}
	return all
}

// TargetsDropped implements v1.TargetRetriever. It is empty: dropped targets are only counted.
func (scraped) TargetsDropped() map[string][]*scrape.Target { return nil }

// TargetsDroppedCounts implements v1.TargetRetriever.
func (s scraped) TargetsDroppedCounts() map[string]int {
	all := map[string]int{}
	for _, r := range s.scrapers() {
		_, dropped := r.Targets()
		for job, n := range dropped {
			all[job] += n
		}
	}
	return all
}

// ScrapePoolConfig implements v1.TargetRetriever.
func (scraped) ScrapePoolConfig(string) (*config.ScrapeConfig, error) { return nil, errNoSteps }

// ScrapePools implements v1.ScrapePoolsRetriever.
func (s scraped) ScrapePools() []string { return slices.Sorted(maps.Keys(s.TargetsActive())) }

// families adapts metadata to Prometheus' API.
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

// newMetadataTarget makes the target that stands for the whole store, because the metadata endpoint asks targets.
func newMetadataTarget(f families) everything {
	t := scrape.NewTarget(labels.FromStrings(model.AddressLabel, "store"), &config.ScrapeConfig{}, nil, nil)
	t.SetMetadataStore(f)
	return everything{target: t}
}

type everything struct {
	scraped
	target *scrape.Target
}

// TargetsActive implements v1.TargetRetriever.
func (e everything) TargetsActive() map[string][]*scrape.Target {
	return map[string][]*scrape.Target{"store": {e.target}}
}
