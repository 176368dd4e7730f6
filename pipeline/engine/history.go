package engine

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// history keeps our counters from falling when a reload replaces components: it adds the counts of earlier graphs
// to those of their successors, and shows them until a successor reports.
type history struct {
	now  prometheus.Gatherer
	mu   sync.Mutex
	past map[string]*dto.MetricFamily // by name; metrics that are not registered any more
}

func newHistory(now prometheus.Gatherer) *history {
	return &history{now: now, past: map[string]*dto.MetricFamily{}}
}

// Gather implements prometheus.Gatherer.
func (h *history) Gather() ([]*dto.MetricFamily, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	families, err := h.now.Gather()
	missing := maps.Clone(h.past)
	for _, f := range families {
		if past := missing[f.GetName()]; past != nil {
			delete(missing, f.GetName())
			f.Metric = withPast(f, past)
		}
	}
	for _, past := range missing { // no component of this graph has counted it yet
		families = append(families, proto.Clone(past).(*dto.MetricFamily))
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return families, err
}

func withPast(f, past *dto.MetricFamily) []*dto.Metric {
	if f.GetType() != past.GetType() {
		return f.Metric
	}
	was := map[string]*dto.Metric{}
	for _, m := range past.Metric {
		was[metricKey(m)] = m
	}
	all := f.Metric
	for _, m := range all {
		key := metricKey(m)
		if p := was[key]; p != nil {
			addMetric(m, p)
			delete(was, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(was)) {
		all = append(all, proto.Clone(was[key]).(*dto.Metric))
	}
	slices.SortStableFunc(all, func(a, b *dto.Metric) int { return strings.Compare(metricKey(a), metricKey(b)) })
	return all
}

// over calls discard, which unregisters metrics, and remembers their counts.
func (h *history) over(discard func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	had, _ := h.now.Gather()
	discard()
	left := map[string]bool{}
	have, _ := h.now.Gather()
	for _, f := range have {
		for _, m := range f.Metric {
			left[f.GetName()+metricKey(m)] = true
		}
	}
	for _, f := range had {
		if t := f.GetType(); t != dto.MetricType_COUNTER && t != dto.MetricType_HISTOGRAM {
			continue
		}
		f.Metric = slices.DeleteFunc(f.Metric, func(m *dto.Metric) bool { return left[f.GetName()+metricKey(m)] })
		if len(f.Metric) == 0 {
			continue
		}
		if past := h.past[f.GetName()]; past != nil {
			f.Metric = withPast(f, past)
		}
		h.past[f.GetName()] = f
	}
}

// metricKey identifies a metric in its family; the registry sorts labels.
func metricKey(m *dto.Metric) string {
	var b strings.Builder
	for _, l := range m.Label {
		b.WriteString("\x00" + l.GetName() + "\x00" + l.GetValue())
	}
	return b.String()
}

func addMetric(m, past *dto.Metric) {
	switch {
	case m.Counter != nil && past.Counter != nil:
		m.Counter.Value = proto.Float64(m.Counter.GetValue() + past.Counter.GetValue())
	case m.Histogram != nil && past.Histogram != nil && len(m.Histogram.Bucket) == len(past.Histogram.Bucket):
		m.Histogram.SampleCount = proto.Uint64(m.Histogram.GetSampleCount() + past.Histogram.GetSampleCount())
		m.Histogram.SampleSum = proto.Float64(m.Histogram.GetSampleSum() + past.Histogram.GetSampleSum())
		for i, b := range m.Histogram.Bucket {
			b.CumulativeCount = proto.Uint64(b.GetCumulativeCount() + past.Histogram.Bucket[i].GetCumulativeCount())
		}
	}
}
