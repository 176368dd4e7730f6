package oracle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/wire"
)

// lines are the statements or conditions of a file of testdata: one a line, # begins a comment.
func lines(t *testing.T, name string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

var signals = map[wire.Signal]struct {
	make       func(*testing.T) telemetry
	statements string
}{
	wire.Logs:    {logs, "log_statements"},
	wire.Traces:  {traces, "trace_statements"},
	wire.Metrics: {metrics, "metric_statements"},
}

// A file is statements for one context of a signal.
var files = map[string]struct {
	signal  wire.Signal
	context string
}{
	"log.txt":       {wire.Logs, "log"},
	"span.txt":      {wire.Traces, "span"},
	"spanevent.txt": {wire.Traces, "spanevent"},
	"metric.txt":    {wire.Metrics, "metric"},
	"datapoint.txt": {wire.Metrics, "datapoint"},
	"resource.txt":  {wire.Logs, "resource"},
	"scope.txt":     {wire.Traces, "scope"},
}

// TestEachStatement runs every statement alone.
func TestEachStatement(t *testing.T) {
	for file, f := range files {
		s := signals[f.signal]
		in := s.make(t)
		for _, line := range lines(t, file) {
			t.Run(f.context+"/"+line, func(t *testing.T) {
				for _, mode := range []string{"silent", "propagate"} {
					if !same(t, "transform", map[string]any{"error_mode": mode, s.statements: []any{
						map[string]any{"context": f.context, "statements": []any{line}},
					}}, in) {
						t.Error("both refuse it")
					}
				}
			})
		}
	}
}

// TestStatementsTogether runs them all one behind the other, so that each sees what those before it did, in one block
// and in blocks of their own.
func TestStatementsTogether(t *testing.T) {
	for file, f := range files {
		t.Run(f.context, func(t *testing.T) {
			s := signals[f.signal]
			var together, apart []any
			for _, line := range lines(t, file) {
				together = append(together, line)
				apart = append(apart, map[string]any{"context": f.context, "statements": []any{line}})
			}
			same(t, "transform", map[string]any{"error_mode": "silent", s.statements: []any{
				map[string]any{"context": f.context, "statements": together}}}, s.make(t))
			same(t, "transform", map[string]any{"error_mode": "silent", s.statements: apart}, s.make(t))
		})
	}
}
