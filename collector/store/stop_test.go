package store

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestStopWaitsForTheQueriesThatItCutsOff: a query must not read a store that is closed under it.
func TestStopWaitsForTheQueriesThatItCutsOff(t *testing.T) {
	var inside atomic.Bool
	entered := make(chan struct{})
	set, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	srv, err := set.Serve(t.Context(), pipeline.HTTP{
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
