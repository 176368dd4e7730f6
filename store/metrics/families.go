package metrics

import (
	"maps"
	"sync"

	"github.com/prometheus/prometheus/model/metadata"

	"github.com/prometheus/common/model"

	"github.com/sluiceio/sluice/wire/prom"
)

// maxFamilies takes about 5 MB.
const maxFamilies = 20_000

// families is metric metadata. The writer adds a family when its cache first sees it, at no cost per sample; after a
// restart it is complete within one scrape interval.
type families struct {
	mu     sync.RWMutex
	byName map[string]metadata.Metadata
}

// add stores a family; the last description wins.
func (f *families) add(from *prom.Family) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byName == nil {
		f.byName = map[string]metadata.Metadata{}
	}
	if _, known := f.byName[from.Name]; !known && len(f.byName) >= maxFamilies {
		return
	}
	f.byName[from.Name] = metadata.Metadata{Type: model.MetricType(from.Type), Unit: from.Unit, Help: from.Help}
}

// Family returns the metadata of one family.
func (s *Store) Family(name string) (metadata.Metadata, bool) {
	s.families.mu.RLock()
	defer s.families.mu.RUnlock()
	m, ok := s.families.byName[name]
	return m, ok
}

// Families returns all metadata by name.
func (s *Store) Families() map[string]metadata.Metadata {
	s.families.mu.RLock()
	defer s.families.mu.RUnlock()
	return maps.Clone(s.families.byName)
}
