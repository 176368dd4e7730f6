package logs

import (
	"flag"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/logs/logstest"
)

var update = flag.Bool("update", false, "write what the store answers into the cases in testdata")

// TestCases asks through the API: testdata/*.txtar is LogQL and its answers.
func TestCases(t *testing.T) {
	logstest.Cases(t, *update, func(t *testing.T) logstest.Store {
		s := open(t, Options{Retention: 50 * 365 * 24 * time.Hour})
		return logstest.Store{Sink: pipeline.SinkFunc(s.Append), Handler: answers(t, s)}
	})
}
