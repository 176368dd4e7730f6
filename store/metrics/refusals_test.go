package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/metrics/metricstest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// TestTheAnswerNamesPoints: which points of a batch are not kept is said for every reason. Without it `batch`, which
// merges the requests of several clients, cannot tell the one that sent them.
func TestTheAnswerNamesPoints(t *testing.T) {
	st, _ := open(t, t.TempDir(), DefaultOptions())
	now := time.Now()
	md := metricstest.Gauge(metricstest.At("a", now, 1), metricstest.At("b", now.Add(time.Hour), 1))
	delta := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().AppendEmpty()
	delta.SetName("delta")
	delta.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for range 2 {
		delta.Sum().DataPoints().AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(now))
	}
	b := metricstest.Batch(t, md)
	a := pipeline.Read(st.Append(t.Context(), b), b.Items)
	got := map[pipeline.Reason]pipeline.Range{}
	for _, r := range a.Rejected {
		if len(r.Ranges) == 1 {
			got[r.Reason] = r.Ranges[0]
		}
	}
	want := map[pipeline.Reason]pipeline.Range{pipeline.DropTooNew: {From: 1, To: 2}, pipeline.DropUnsupported: {From: 2, To: 4}}
	for why, r := range want {
		if got[why] != r {
			t.Errorf("%s: %v, want %v", why, got[why], r)
		}
	}
}

// TestHistograms: one that contradicts itself is refused as invalid; its neighbours are stored.
func TestHistograms(t *testing.T) {
	st, ledger := open(t, t.TempDir(), DefaultOptions())
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("h")
	m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for name, h := range map[string]struct {
		count  uint64
		counts []uint64
		bounds []float64
	}{
		"good": {6, []uint64{1, 2, 3}, []float64{1, 2}}, "no-buckets": {4, nil, nil}, "one": {4, []uint64{4}, nil},
		"bad-count": {7, []uint64{1, 2, 3}, []float64{1, 2}}, "bad-few": {3, []uint64{1, 2}, []float64{1, 2}},
		"bad-many": {7, []uint64{1, 2, 3, 1}, []float64{1, 2}}, "bad-none": {7, nil, []float64{1}},
		"bad-order": {6, []uint64{1, 2, 3}, []float64{2, 1}}, "bad-equal": {6, []uint64{1, 2, 3}, []float64{1, 1}},
	} {
		p := m.Histogram().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		p.Attributes().PutStr("name", name)
		p.SetCount(h.count)
		p.BucketCounts().FromRaw(h.counts)
		p.ExplicitBounds().FromRaw(h.bounds)
	}
	push(t, st, md)
	if drops := metricstest.Dropped(t, ledger); drops[pipeline.DropInvalid] != 6 || len(drops) != 1 {
		t.Errorf("dropped %v, want 6 as invalid", drops)
	}
	if got := metricstest.Instant(answers(st), `count(h_count)`); !strings.Contains(got, `"3"`) {
		t.Errorf("stored: %s", got)
	}
	if got := metricstest.Instant(answers(st), `h_count{name=~"bad.*"}`); strings.Contains(got, "bad") {
		t.Errorf("stored: %s", got)
	}
}
