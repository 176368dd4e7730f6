package metrics

import (
	"flag"
	"io/fs"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/metrics/metricstest"
)

var update = flag.Bool("update", false, "write what the cases answer into testdata; read the diff")

// TestCases asks through the API: testdata/*.txtar is what becomes of what is pushed.
func TestCases(t *testing.T) {
	metricstest.Cases(t, *update, func(t *testing.T, dir string, rules fs.FS) metricstest.Store {
		st, ledger := open(t, dir, Options{RulesFS: rules})
		return metricstest.Store{
			Sink:    st.settings.Entrance(pipeline.Metrics, pipeline.SinkFunc(st.Append)),
			Handler: answers(st), Ledger: ledger,
		}
	})
}
