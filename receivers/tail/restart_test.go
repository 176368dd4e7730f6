package tail

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
)

// TestASecondProcessIsRefused: two processes would overwrite each other's checkpoint. Building a graph without starting it
// takes no lock, and the next graph gets the lock after a stop.
func TestASecondProcessIsRefused(t *testing.T) {
	w := newWorld(t)
	w.write("a.log", "one\n")
	w.start()
	w.want("one")
	s := w.settings
	s.Metrics = prometheus.NewRegistry()
	second, err := New(s, w.cfg, pipeline.OutputsTo(s.Entrance(pipeline.Logs, w), pipeline.Logs))
	if err != nil {
		t.Fatal(err)
	}
	err = second.Start(t.Context())
	if err == nil {
		t.Fatal("a second one on the data directory was started")
	}
	if !strings.Contains(err.Error(), s.DataDir) || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("the error names no place or no fix: %v", err)
	}
	w.append("a.log", "two\n")
	w.want("one|two")
	w.stop()
	w.append("a.log", "three\n")
	w.start()
	w.want("one|two|three")
	w.stop()
}

// TestADamagedCheckpointIsMovedOrNot: the log says where it is, not where it was meant to be.
func TestADamagedCheckpointIsMovedOrNot(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		w := newWorld(t)
		var out bytes.Buffer
		w.settings.Log = slog.New(slog.NewTextHandler(&out, nil))
		path := filepath.Join(w.settings.DataDir, "tail.checkpoint")
		w.must(os.MkdirAll(path, 0o700)) // a folder cannot be read as a checkpoint
		if stuck {
			w.must(os.MkdirAll(filepath.Join(path+".damaged", "x"), 0o700))
		}
		w.write("a.log", "one\n")
		w.start()
		w.want("one")
		w.stop()
		if said := strings.Contains(out.String(), "moved_to"); said == stuck {
			t.Errorf("stuck %v, but the log is\n%s", stuck, out.String())
		}
		if stuck && !strings.Contains(out.String(), "cannot be moved aside") {
			t.Errorf("the log does not say that it stays:\n%s", out.String())
		}
	}
}
