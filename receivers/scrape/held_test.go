package scrape

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestReloadWithABrokenFile: the targets of a file that is broken during reloads are still scraped, until it is repaired
// or removed. A job whose discovery has changed begins anew.
func TestReloadWithABrokenFile(t *testing.T) {
	serve := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", textType)
		_, _ = fmt.Fprintln(w, "a 1")
	}))
	defer serve.Close()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	group := func(instance string) string {
		return fmt.Sprintf(`[{"targets": [%q], "labels": {"instance": %q}}]`, serve.Listener.Addr().String(), instance)
	}
	settings, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
	settings.Estates.Open()
	begin := func(interval string) *Receiver {
		t.Helper()
		cfg := Default()
		if err := yaml.Unmarshal([]byte("global: {scrape_interval: 50ms}\nscrape_configs:\n- job_name: j\n  file_sd_configs: [{files: ['"+dir+"/*.json'], refresh_interval: "+interval+"}]\n"), &cfg.Config); err != nil {
			t.Fatal(err)
		}
		cfg.DiscoveryReloadOnStartup = true
		settings.Metrics = prometheus.NewRegistry()
		r, err := New(settings, cfg, pipeline.OutputsTo(newUps(), pipeline.Metrics))
		if err == nil {
			err = r.Start(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	wait := func(r *Receiver, want int) {
		t.Helper()
		n := -1
		for begin := time.Now(); n != want; time.Sleep(10 * time.Millisecond) {
			if n, _, _ = r.jobs["j"].census(); time.Since(begin) > 20*time.Second {
				t.Fatalf("%d targets, want %d", n, want)
			}
		}
	}
	stop := func(r *Receiver) {
		t.Helper()
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	write("one.json", group("one"))
	write("two.json", group("two"))
	r := begin("100ms")
	wait(r, 2)
	write("one.json", "garbage{")
	for range 2 {
		stop(r)
		r = begin("100ms")
		if n, _, _ := r.jobs["j"].census(); n != 2 {
			t.Errorf("%d targets after a reload", n)
		}
		time.Sleep(time.Second) // discovery reports the other file
		wait(r, 2)
	}
	write("one.json", "[]")
	wait(r, 1)
	write("one.json", group("one"))
	wait(r, 2)
	write("one.json", "garbage{")
	stop(r)
	r = begin("100ms")
	if err := os.Remove(filepath.Join(dir, "one.json")); err != nil {
		t.Fatal(err)
	}
	wait(r, 1)
	write("two.json", "garbage{")
	stop(r)
	r = begin("200ms")
	if n, _, _ := r.jobs["j"].census(); n != 0 {
		t.Errorf("%d targets of another discovery", n)
	}
	stop(r)
}
