package metrics

import (
	"context"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := childDir(); dir != "" {
		runChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// open opens a store that is closed with the test.
func open(t testing.TB, dir string, o Options) (*Store, *pipeline.Ledger) {
	t.Helper()
	s, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	st, err := Open(s, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st, ledger
}

// batch encodes pdata and takes it through the door.
func batch(t testing.TB, md pmetric.Metrics) pipeline.Batch {
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

// push appends through the entrance, as the graph does, so that the ledger has the whole account.
func push(t testing.TB, st *Store, md pmetric.Metrics) {
	t.Helper()
	sink := st.settings.Entrance(pipeline.Metrics, pipeline.SinkFunc(st.Append))
	if err := sink.Consume(context.Background(), batch(t, md)); err != nil {
		t.Fatal(err)
	}
}

// dropped returns what the ledger has of the store, after checking that it closes.
func dropped(t testing.TB, l *pipeline.Ledger) map[pipeline.Reason]int64 {
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

// point is a value of the gauge m at a time.
type point struct {
	series string
	at     time.Time
	value  float64
}

// gauge makes scraped points of one metric, in the order given.
func gauge(points ...point) pmetric.Metrics {
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
		d.SetTimestamp(pcommon.NewTimestampFromTime(p.at))
		d.SetDoubleValue(p.value)
		d.Attributes().PutStr("s", p.series)
	}
	return md
}
