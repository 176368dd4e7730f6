package store

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// libraryWrites is longer than what was taken last stays in the libraries' memory.
const libraryWrites = 12 * time.Second

// TestRemovedFolder: the folder is removed under the store. Nothing more is taken, which is said, and the libraries do not
// end the process; the next start works.
func TestRemovedFolder(t *testing.T) {
	dir := t.TempDir()
	e, address := running(t, func(c *Config) { c.Directory = dir })
	for _, b := range batches(t, 500) {
		if err := e.Consume(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Ready(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	refused := func() {
		t.Helper()
		for _, b := range batches(t, 1) {
			r, again := pipeline.AsRefused(e.Consume(t.Context(), b))
			if !again || !strings.Contains(r.Error(), dir) || !strings.Contains(r.Error(), "restart") {
				t.Errorf("%s are answered %v", b.Signal, r)
			}
		}
		if body, _ := fetch(t, address+"/-/ready", "identity"); !strings.Contains(body, "not ready") || !strings.Contains(body, dir) {
			t.Errorf("ready says %s", body)
		}
		if body, _ := fetch(t, address+"/", "identity"); !strings.Contains(body, "Nothing is stored: ") {
			t.Error("the page does not say it")
		}
	}
	refused()
	time.Sleep(libraryWrites)
	refused()
	if err := e.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	again, _ := running(t, func(c *Config) { c.Directory = dir })
	for _, b := range batches(t, 1) {
		if err := again.Consume(t.Context(), b); err != nil {
			t.Error(err)
		}
	}
}

// TestRemovedFolderIsSaid: the line has no error if the folders could be made again.
func TestRemovedFolderIsSaid(t *testing.T) {
	var said bytes.Buffer
	d := budget(t, 1, map[pipeline.Signal]part{pipeline.Logs: &days{}})
	d.settings.Log = slog.New(slog.NewTextHandler(&said, nil))
	d.folders.known = map[string]inode{".": {}}
	d.lookFolders()
	if !strings.Contains(said.String(), "folder=.") || strings.Contains(said.String(), "error=") {
		t.Errorf("the log says %s", said.String())
	}
}

// TestRemovedLog: without the folder of a write-ahead log, not even the next batch is taken.
func TestRemovedLog(t *testing.T) {
	for _, sig := range []pipeline.Signal{pipeline.Metrics, pipeline.Logs} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			e, _ := running(t, func(c *Config) { c.Directory = dir })
			if err := os.RemoveAll(filepath.Join(dir, sig.String(), "wal")); err != nil {
				t.Fatal(err)
			}
			for _, b := range batches(t, 1) {
				if _, again := pipeline.AsRefused(e.Consume(t.Context(), b)); b.Signal == sig && !again {
					t.Error("a batch was taken whose write-ahead log is gone")
				}
			}
			if err := e.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
