package store

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/internal/statefile"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestOneProcessADirectory: the second one says where, and leaves the first one's lock alone.
func TestOneProcessADirectory(t *testing.T) {
	cfg := Default()
	cfg.Endpoint, cfg.Directory = "127.0.0.1:0", t.TempDir()
	start := func() (pipeline.Stopper, error) {
		set, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
		e, err := New(set, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return e.(pipeline.Stopper), e.(pipeline.Starter).Start(t.Context())
	}
	first, err := start()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := start(); !errors.Is(err, statefile.ErrTaken) || !strings.Contains(err.Error(), cfg.Directory) {
			t.Errorf("a second store in the directory: %v", err)
		}
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestStopWaitsForTheQueriesThatItCutsOff: a query must not read a store that is closed under it.
func TestStopWaitsForTheQueriesThatItCutsOff(t *testing.T) {
	var inside atomic.Bool
	entered := make(chan struct{})
	set, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	srv, err := set.Serve(t.Context(), listen.HTTP{
		Network: "tcp", Address: "127.0.0.1:0",
		Server: &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			inside.Store(true)
			close(entered)
			<-r.Context().Done()
			time.Sleep(50 * time.Millisecond)
			inside.Store(false)
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := &Exporter{srv: srv}
	go func() {
		if res, err := http.Get("http://" + srv.Addr().String()); err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	}()
	<-entered
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Stop(over); err != nil {
		t.Error(err)
	}
	if inside.Load() {
		t.Error("Stop returned while a query was being answered")
	}
}
