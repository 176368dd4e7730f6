package metrics

import (
	"context"
	"net/http"
	"testing"

	"github.com/sluiceio/sluice/api/prometheus"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/metrics/metricstest"
	"go.opentelemetry.io/collector/pdata/pmetric"
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
func open(t testing.TB, dir string, o Options) (*Store, *ledger.Ledger) {
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

// push appends through the entrance, as the graph does, so that the ledger has the whole account.
func push(t testing.TB, st *Store, md pmetric.Metrics) {
	t.Helper()
	sink := st.settings.Entrance(pipeline.Metrics, pipeline.SinkFunc(st.Append))
	if err := pipelinetest.Final(sink.Consume(context.Background(), metricstest.Batch(t, md))); err != nil {
		t.Fatal(err)
	}
}

// answers is the API over a store, to ask it with.
func answers(s *Store) http.Handler {
	return prometheus.New(s.settings, s, prometheus.Status{
		Dir: s.dir, Retention: s.options.Retention, Lookback: Lookback, EvaluationInterval: s.options.EvaluationInterval,
	})
}
