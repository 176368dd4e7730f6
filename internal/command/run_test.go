package command

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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

// waiting is a sink that ends the process once it runs.
type waiting struct{ pipeline.Sink }

// TestAQueueWithoutAnExporterIsNamed at the start, with what is in it.
func TestAQueueWithoutAnExporterIsNamed(t *testing.T) {
	storage, dir := closedQueue(t)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	type none struct{}
	in := pipeline.Receiver("in", func() *none { return &none{} },
		func(pipeline.Settings, *none, pipeline.Outputs) (any, error) { return &none{}, nil }, pipeline.Logs)
	out := pipeline.Exporter("out", func() *none { return &none{} },
		func(pipeline.Settings, *none) (pipeline.Sink, error) { return &waiting{}, nil }, pipeline.Logs)
	file := "yaml:{receivers: {in: {}}, exporters: {out: {}}, extensions: {file_storage: {directory: " + storage +
		"}}, service: {extensions: [file_storage], pipelines: {logs: {receivers: [in], exporters: [out]}}}}"
	p := Program{Name: "x", Components: []pipeline.Component{in, out}}
	var stdout bytes.Buffer
	stderr := &ending{of: []byte("msg=running"), end: end}
	if code := Run(ctx, p, []string{"--data-dir", t.TempDir(), "--config", file}, &stdout, stderr); code != ExitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	want(t, stderr.String(), "level=WARN", "belongs to no exporter", "queue="+dir, "records=3", "items=3", "dead_letters=1", "oldest=")
	code := Run(t.Context(), p, []string{"queue", "ls", "--data-dir", t.TempDir(), "--config", file}, &stdout, stderr)
	if code != ExitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	want(t, stdout.String(), storage, "exporter_otlp_http", "NOT CONFIGURED")
}

// ending ends the process when it writes a line.
type ending struct {
	mu  sync.Mutex
	b   bytes.Buffer
	of  []byte
	end func()
}

func (e *ending) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if bytes.Contains(p, e.of) {
		e.end()
	}
	return e.b.Write(p)
}

func (e *ending) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.b.String()
}

// TestPipeAsConfiguration: reading a pipe that nobody writes to ends with the first signal.
func TestPipeAsConfiguration(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "config.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"validate", "print-config"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var said bytes.Buffer
		if code := Run(ctx, Program{Name: "sluice"}, []string{verb, "--config", pipe}, io.Discard, &said); code != ExitFailure || !strings.Contains(said.String(), "pipe") {
			t.Errorf("%s exits with %d and says %q", verb, code, said.String())
		}
	}
}
