package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestSoak runs `sluice up` under steady load and checks for growth of live heap (without the TSDB head), goroutines and
// open files. SLUICE_SOAK sets the duration (60m by `make soak`; default one minute). The first quarter is warm-up.
func TestSoak(t *testing.T) {
	t.Parallel() // it measures growth, not speed
	long := time.Minute
	if text := os.Getenv("SLUICE_SOAK"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	p := ports(t, 4)
	target := newCounterTarget(t)
	cfg := file(t, dir, "up.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%[1]d}}}
  host: {collection_interval: 5s}
  prometheus:
    config:
      scrape_configs:
        - {job_name: numbered, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{targets: [127.0.0.1:%[2]d]}]}
        - {job_name: sluice, scrape_interval: 5s, static_configs: [{targets: [127.0.0.1:%[3]d]}]}
  tail: {include: [%[4]s/logs/*.log], start_at: beginning, service_name: numbered}
processors:
  batch: {}
exporters:
  store: {endpoint: 127.0.0.1:%[5]d}
extensions:
  health_check: {endpoint: 127.0.0.1:%[6]d}
service:
  extensions: [health_check]
  telemetry: {metrics: {address: 127.0.0.1:%[3]d}}
  pipelines:
    metrics: {receivers: [otlp, host, prometheus], processors: [batch], exporters: [store]}
    logs: {receivers: [otlp, tail], processors: [batch], exporters: [store]}
    traces: {receivers: [otlp], processors: [batch], exporters: [store]}
`, p[0], target.port, p[1], dir, p[2], p[3])
	up := run(t, "sluice", "up", "--config", cfg, "--data-dir", dir+"/state").ready(p[3])
	w := writeLines(t, dir+"/logs/app.log", "app", 1000, 20_000)
	stop := make(chan struct{})
	pushed := make(chan int)
	go func() { pushed <- steady(t, p[0], stop) }()

	begin := time.Now()
	var warm, last reading
	for time.Since(begin) < long {
		time.Sleep(long / 60)
		r := read(t, p[1])
		if r.unaccounted != 0 {
			t.Fatalf("after %s: %v items unaccounted for", time.Since(begin), r.unaccounted)
		}
		switch since := time.Since(begin); {
		case since < long/4:
		case since < long/2:
			warm = warm.most(r)
		case since > long*3/4:
			last = last.most(r)
		}
	}
	close(stop)
	clients, lines := <-pushed, w.end()
	t.Logf("second quarter: %+v; last quarter: %+v; %d records pushed, %d lines", warm, last, clients, lines)
	// Compare the peak in-use heap after collections per quarter. A short run has few collections and caches that are not
	// full, hence the absolute allowance.
	allowance := float64(24 << 20)
	if long >= time.Hour {
		allowance = 0
	}
	if last.live > warm.live*1.05+allowance {
		t.Errorf("the live heap grew from %.1f to %.1f MiB", warm.live/(1<<20), last.live/(1<<20))
	}
	if last.goroutines > warm.goroutines+20 {
		t.Errorf("goroutines grew from %.0f to %.0f", warm.goroutines, last.goroutines)
	}
	if last.files > warm.files+20 {
		t.Errorf("open files grew from %.0f to %.0f", warm.files, last.files)
	}
	up.terminate()
}

// steady pushes 1,000 records a second until stopped, and returns how many were taken.
func steady(t testing.TB, port int, stop chan struct{}) int {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	n := 0
	for {
		select {
		case <-stop:
			return n
		case <-tick.C:
		}
		code, err := pushLogs(port, numberedRequest("client", n, 100))
		if err != nil || code != http.StatusOK {
			t.Errorf("a push was answered %d, %v", code, err)
			return n
		}
		n += 100
	}
}

// reading is what a process says of itself.
type reading struct{ heap, live, goroutines, files, unaccounted float64 }

func (r reading) most(o reading) reading {
	return reading{max(r.heap, o.heap), max(r.live, o.live), max(r.goroutines, o.goroutines), max(r.files, o.files), 0}
}

// headBytesPerSeries is the size of a series in the TSDB's head, by its sizing guide. The head grows until its block is cut,
// so it is subtracted.
const headBytesPerSeries = 4096

func read(t testing.TB, metrics int) reading {
	t.Helper()
	var r reading
	var series, chunks float64
	for name, into := range map[string]*float64{
		"go_memstats_heap_inuse_bytes": &r.heap, "go_gc_heap_live_bytes": &r.live, "go_goroutines": &r.goroutines, "process_open_fds": &r.files,
		"sluice_unaccounted_items": &r.unaccounted, "prometheus_tsdb_head_series": &series, "prometheus_tsdb_head_chunks": &chunks,
	} {
		*into = ownMetric(t, metrics, name)
	}
	r.live -= series*headBytesPerSeries + chunks*128
	return r
}

// ownMetric reads one metric from /metrics, whatever its labels.
func ownMetric(t testing.TB, port int, name string) float64 {
	t.Helper()
	text := fetch(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == ' ' || rest[0] == '{') {
			var v float64
			fmt.Sscan(rest[strings.LastIndexByte(strings.TrimSpace(rest), ' ')+1:], &v)
			return v
		}
	}
	t.Fatalf("%s is not exported", name)
	return 0
}
