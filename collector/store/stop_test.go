package store

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// TestStopWaitsForTheQueriesThatItCutsOff: a query must not read a store that is closed under it.
func TestStopWaitsForTheQueriesThatItCutsOff(t *testing.T) {
	var inside atomic.Bool
	entered := make(chan struct{})
	e := &Exporter{}
	srv := httptest.NewUnstartedServer(e.counted(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		inside.Store(true)
		close(entered)
		<-r.Context().Done()
		time.Sleep(50 * time.Millisecond)
		inside.Store(false)
	})))
	srv.Start()
	e.srv, e.ln = srv.Config, srv.Listener
	go func() {
		if res, err := http.Get(srv.URL); err == nil {
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
