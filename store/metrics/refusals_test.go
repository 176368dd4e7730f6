package metrics

import (
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
