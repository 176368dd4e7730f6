package engine

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/internal/listen/listentest"
	"github.com/sluiceio/sluice/pipeline"
)

// TestStatusIsBesideMetrics, and the gauge of orphans is in them.
func TestStatusIsBesideMetrics(t *testing.T) {
	k := &kit{outs: map[string]pipeline.Outputs{}}
	s := newService(t)
	cfg := k.config(pipe(t, "logs", "in", "mid", "out"))
	cfg.Service.MetricsEndpoint = "127.0.0.1:" + listentest.FreePort(t)
	if err := s.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())
	if err := k.outs["in"].For(pipeline.Logs).Consume(t.Context(), batchOf(3)); err != nil {
		t.Error(err)
	}
	s.Orphans(2)
	get := func(path, accept string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+cfg.Service.MetricsEndpoint+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	text := get("/status", "text/plain")
	for _, want := range []string{"ready, version test", "receiver/in ", "processor/mid (logs)", "exporter/out ", "2 queues belong to no exporter"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in:\n%s", want, text)
		}
	}
	if text := get("/status", "*/*"); !strings.Contains(text, `"component":"exporter/out"`) {
		t.Error(text)
	}
	if text := get("/metrics", "*/*"); !strings.Contains(text, "\nsluice_queue_orphans 2\n") {
		t.Error("there is no sluice_queue_orphans")
	}
}
