package pipeline

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// history keeps the counters of the process from falling when a reload replaces the components that count: what those of
// earlier graphs had counted is added to what their successors say. It is the Gatherer that our own metrics are read
// from.
type history struct {
	now  prometheus.Gatherer
	mu   sync.Mutex
	past map[string]*dto.Metric // by name and labels
}

func newHistory(now prometheus.Gatherer) *history {
	return &history{now: now, past: map[string]*dto.Metric{}}
}

// Gather implements prometheus.Gatherer.
func (h *history) Gather() ([]*dto.MetricFamily, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	families, err := h.now.Gather()
	for _, f := range families {
		for _, m := range f.Metric {
			if past := h.past[metricKey(f, m)]; past != nil {
				addMetric(m, past)
			}
		}
	}
	return families, err
}

// over calls discard, which unregisters metrics, and remembers what they had counted.
func (h *history) over(discard func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	had, _ := h.now.Gather()
	discard()
	left := map[string]bool{}
	have, _ := h.now.Gather()
	for _, f := range have {
		for _, m := range f.Metric {
			left[metricKey(f, m)] = true
		}
	}
	for _, f := range had {
		if t := f.GetType(); t != dto.MetricType_COUNTER && t != dto.MetricType_HISTOGRAM {
			continue
		}
		for _, m := range f.Metric {
			key := metricKey(f, m)
			if left[key] {
				continue
			}
			if past := h.past[key]; past != nil {
				addMetric(m, past)
			}
			h.past[key] = m
		}
	}
}

// metricKey is the identity of a metric; the registry sorts labels.
func metricKey(f *dto.MetricFamily, m *dto.Metric) string {
	var b strings.Builder
	b.WriteString(f.GetName())
	for _, l := range m.Label {
		b.WriteString("\x00" + l.GetName() + "\x00" + l.GetValue())
	}
	return b.String()
}

// addMetric adds what a counter or a histogram had before.
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
