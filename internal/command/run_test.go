package command

import (
	"bytes"
	"context"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
)

// stopping is an exporter that is told to end while it starts, as by a SIGTERM during a long replay.
type stopping struct {
	pipeline.Sink
	end context.CancelFunc
}

func (s stopping) Start(ctx context.Context) error { s.end(); return ctx.Err() }

// TestASIGTERMDuringTheStartIsNoFailure: the exit code says whether something went wrong.
func TestASIGTERMDuringTheStartIsNoFailure(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	type none struct{}
	in := pipeline.Receiver("in", func() *none { return &none{} },
		func(pipeline.Settings, *none, pipeline.Outputs) (any, error) { return &none{}, nil }, pipeline.Logs)
	out := pipeline.Exporter("out", func() *none { return &none{} },
		func(pipeline.Settings, *none) (pipeline.Sink, error) { return &stopping{end: end}, nil }, pipeline.Logs)
	var stdout, stderr bytes.Buffer
	code := Run(ctx, Program{Name: "x", Components: []pipeline.Component{in, out}}, []string{
		"--data-dir", t.TempDir(), "--config",
		"yaml:{receivers: {in: {}}, exporters: {out: {}}, service: {pipelines: {logs: {receivers: [in], exporters: [out]}}}}",
	}, &stdout, &stderr)
	if code != ExitOK || ctx.Err() == nil {
		t.Errorf("exit code %d, want 0: %s", code, stderr.String())
	}
}
