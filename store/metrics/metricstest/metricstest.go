// Package metricstest helps to test the metric store and its API.
package metricstest

import (
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/wire"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// Batch encodes pdata and checks it as a receiver does.
func Batch(t testing.TB, md pmetric.Metrics) pipeline.Batch {
	t.Helper()
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	r, info, err := wire.Check(wire.Metrics, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Metrics, Request: r, Items: info.Items}
}

// Point is a value of the gauge m.
type Point struct {
	Series string
	At     time.Time
	Value  float64
}

// At makes a Point.
func At(series string, at time.Time, value float64) Point { return Point{series, at, value} }

// Gauge makes one scraped metric of points, in the order given.
func Gauge(points ...Point) pmetric.Metrics {
	md := pmetric.NewMetrics()
	sm := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
	sm.Scope().Attributes().PutStr("job", "test")
	sm.Scope().Attributes().PutStr("instance", "i")
	m := sm.Metrics().AppendEmpty()
	m.SetName("m")
	m.Metadata().PutStr("prometheus.type", "gauge")
	ps := m.SetEmptyGauge().DataPoints()
	for _, p := range points {
		d := ps.AppendEmpty()
		d.SetTimestamp(pcommon.NewTimestampFromTime(p.At))
		d.SetDoubleValue(p.Value)
		d.Attributes().PutStr("s", p.Series)
	}
	return md
}

// Dropped returns the dropped items by reason, and checks that the ledger balances.
func Dropped(t testing.TB, l *ledger.Ledger) map[pipeline.Reason]int64 {
	t.Helper()
	if n := l.Unaccounted(); n != 0 {
		t.Errorf("%d items are unaccounted", n)
	}
	out := map[pipeline.Reason]int64{}
	for _, a := range l.Read() {
		for why, n := range a.Dropped {
			out[why] += n.Items
		}
	}
	return out
}
