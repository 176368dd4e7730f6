package probabilisticsampler

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestLogsWithoutATraceIDAreNamed: they all go by default, which nobody would guess from a percentage.
func TestLogsWithoutATraceIDAreNamed(t *testing.T) {
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for i := range 10 {
		l := records.AppendEmpty()
		if i < 4 {
			l.SetTraceID(pcommon.TraceID{byte(i + 1)})
		}
	}
	in, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		keys             string
		undecided, lines int
	}{
		{"sampling_percentage: 99", 6, 1},
		{"{sampling_percentage: 99, fail_closed: false}", 0, 0},
		{"{sampling_percentage: 99, mode: equalizing}", 6, 1},
	} {
		s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "probabilistic_sampler")
		var log bytes.Buffer
		s.Log = slog.New(slog.NewTextHandler(&log, nil))
		p, err := New(s, pipelinetest.Decode(t, Default(), c.keys), &pipelinetest.Recorder{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: 10}); err != nil {
				t.Fatal(err)
			}
		}
		if n := testutil.ToFloat64(p.(*Processor).closed); int(n) != 3*c.undecided {
			t.Errorf("%s: %g undecided, want %d", c.keys, n, 3*c.undecided)
		}
		if n := strings.Count(log.String(), "fail_closed: false keeps them"); n != c.lines {
			t.Errorf("%s: the log is\n%s", c.keys, log.String())
		}
	}
	if w := Default().Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], "sampling_percentage: ") {
		t.Errorf("warnings: %v", w)
	}
}
