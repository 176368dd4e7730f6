package traces

import (
	"flag"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/traces/tracestest"
)

var update = flag.Bool("update", false, "write what the cases answer into testdata; read the diff")

// TestCases asks through the API: testdata/*.txtar is what comes in, searches, and time.
func TestCases(t *testing.T) {
	tracestest.Cases(t, *update, func(t *testing.T) tracestest.Store {
		st, clock, ledger := open(t, t.TempDir(), Options{})
		return tracestest.Store{
			Sink: st.settings.Entrance(pipeline.Traces, pipeline.SinkFunc(st.Append)), Handler: answers(st), Ledger: ledger,
			Wait: func(d time.Duration) {
				clock.Move(d)
				if err := st.retain(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
