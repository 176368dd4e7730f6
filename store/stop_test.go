package store

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestAStalledClientDoesNotHoldUpAStop: it asked for a long answer and does not read it.
func TestAStalledClientDoesNotHoldUpAStop(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	long := bytes.Repeat([]byte("x"), 1<<20)
	e := &Exporter{settings: s, cfg: *Default(), apis: map[string]http.Handler{"/long": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 50 {
			if _, err := w.Write(long); err != nil {
				return
			}
		}
	})}}
	e.cfg.Endpoint = "127.0.0.1:0"
	if err := e.serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", e.srv.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := e.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
