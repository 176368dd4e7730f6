package scrape

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

func TestARepeatedLineIsWrittenSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		root := throttledLog(slog.New(slog.NewTextHandler(&out, nil)))
		wrote := func(want int, what string) {
			t.Helper()
			if got := strings.Count(out.String(), "\n"); got != want {
				t.Errorf("%s: %d lines, want %d:\n%s", what, got, want, out.String())
			}
		}
		a, b := root.With("config", "a"), root.With("config", "b")
		for range 1000 {
			a.Error("Error reading file", "path", "x")
		}
		wrote(1, "one line")
		a.Error("Error reading file", "path", "y")
		b.Error("Error reading file", "path", "x")
		a.Warn("Error reading file", "path", "x")
		wrote(4, "others")
		a.Info("hello")
		a.Info("hello")
		wrote(6, "what is no trouble")
		time.Sleep(time.Minute)
		a.Error("Error reading file", "path", "x")
		wrote(7, "a minute later")
		if !strings.Contains(out.String(), "suppressed=999") {
			t.Errorf("the lines that were kept back are not counted:\n%s", out.String())
		}
		out.Reset()
		for i := range 100 * linesMax {
			b.Error("cannot connect", "from", i)
		}
		if got := strings.Count(out.String(), "\n"); got > 2*linesMax {
			t.Errorf("%d different lines", got)
		}
	})
}

// safeBuffer is a buffer that several may write to.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestABrokenFileDoesNotFloodTheLog: file_sd reads it again at every event in its folder.
func TestABrokenFileDoesNotFloodTheLog(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "broken.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	text := fmt.Sprintf("scrape_configs:\n- job_name: a\n  file_sd_configs:\n  - files: ['%s/*.json']\n", dir)
	if err := yaml.Unmarshal([]byte(text), &cfg.Config); err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
	var out safeBuffer
	s.Log = slog.New(slog.NewTextHandler(&out, nil))
	r, err := New(s, cfg, pipeline.OutputsTo(s.Entrance(pipeline.Metrics, newUps()), pipeline.Metrics))
	if err == nil {
		err = r.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := os.WriteFile(filepath.Join(dir, "agent.log"), fmt.Append(nil, i), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "broken.json"); got != 1 {
		t.Errorf("the broken file is complained about %d times, want once:\n%.2000s", got, out.String())
	}
}
