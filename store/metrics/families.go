package metrics

import (
	"maps"
	"sync"

	"github.com/prometheus/prometheus/model/metadata"

	"github.com/prometheus/common/model"

	"github.com/sluiceio/sluice/wire/prom"
)

// maxFamilies bounds what is remembered of metric families; about 5 MB.
const maxFamilies = 20_000

// families is the metadata of metrics. It is filled by the writer when its cache meets a metric, so that
// it costs nothing per sample, and is complete again within one scrape interval after a start.
type families struct {
	mu     sync.RWMutex
	byName map[string]metadata.Metadata
}

// add remembers a family. The description sent last counts.
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

// Family returns the metadata of a metric family.
func (s *Store) Family(name string) (metadata.Metadata, bool) {
	s.families.mu.RLock()
	defer s.families.mu.RUnlock()
	m, ok := s.families.byName[name]
	return m, ok
}

// Families returns the metadata of all metric families by name.
func (s *Store) Families() map[string]metadata.Metadata {
	s.families.mu.RLock()
	defer s.families.mu.RUnlock()
	return maps.Clone(s.families.byName)
}
