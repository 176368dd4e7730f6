package dashboards_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/internal/allinone"
	"github.com/sluiceio/sluice/pipeline/config"
	"github.com/sluiceio/sluice/pipeline/config/read"
	"github.com/sluiceio/sluice/pipeline/engine"
)

// overlay changes `sluice up`: free ports, short intervals, a file to tail, and a network exporter with an unreliable
// destination.
const overlay = `
receivers:
  otlp:
    protocols:
      grpc: {endpoint: 127.0.0.1:0}
      http: {endpoint: %[1]s}
  host: {collection_interval: 1s}
  prometheus:
    config:
      global: {scrape_interval: 1s, scrape_timeout: 1s}
  tail: {include: ['%[2]s/*.log'], poll_interval: 100ms}
exporters:
  store: {endpoint: %[3]s}
  otlp_http: {endpoint: '%[4]s', retry_on_failure: {initial_interval: 10ms}}
extensions:
  health_check: {endpoint: 127.0.0.1:0}
service:
  pipelines:
    logs: {receivers: [otlp, tail, journald], processors: [batch], exporters: [store, otlp_http]}
`

// live is a running `sluice up` with something to do.
type live struct {
	store string // URL
	otlp  string // URL
	feed  func() // gives it something to do
	stop  func()
}

// startLive runs the graph of `sluice up` in this process.
func startLive(t *testing.T) live {
	t.Helper()
	dir := t.TempDir()
	otlp, own, store := freePort(t), freePort(t), freePort(t)
	away := unreliable(t)
	program := allinone.Program()
	cfg, _, err := config.Load(t.Context(), read.Sources{Embedded: []read.Text{
		program.Default,
		{Name: "test", YAML: fmt.Appendf(nil, overlay, otlp, dir, store, away)},
	}}, program.Components, config.Options{MetricsEndpoint: own})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	service := engine.NewService(log, t.TempDir(), "test")
	if err := service.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var fed sync.WaitGroup
	return live{
		store: "http://" + store, otlp: "http://" + otlp,
		feed: func() { fed.Go(func() { feed(ctx, t, filepath.Join(dir, "shop.log"), "http://"+otlp) }) },
		stop: func() {
			cancel()
			fed.Wait()
			service.Stop(context.Background())
		},
	}
}

// freePort is an address nobody listens on at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// unreliable is a destination that refuses every third request.
func unreliable(t *testing.T) string {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if n.Add(1)%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// feed writes log lines of several levels and pushes logs, spans, a delta metric that the store rejects, and invalid
// data.
func feed(ctx context.Context, t *testing.T, logFile, otlp string) {
	f, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	for n := 0; ctx.Err() == nil; n++ {
		level := []string{"info", "warn", "error", "debug"}[n%4]
		if _, err := fmt.Fprintf(f, "level=%s n=%d msg=\"order taken\"\n", level, n); err != nil {
			t.Error(err)
		}
		now := time.Now().UnixNano()
		post(ctx, t, otlp+"/v1/logs", fmt.Sprintf(`{"resourceLogs":[{"resource":{"attributes":[`+
			`{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[`+
			`{"timeUnixNano":"%d","severityNumber":13,"body":{"stringValue":"slow"}}]}]}]}`, now), 200)
		post(ctx, t, otlp+"/v1/traces", fmt.Sprintf(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%032x","spanId":"%016x",`+
			`"name":"order","startTimeUnixNano":"%d","endTimeUnixNano":"%d"}]}]}]}`, n+1, n+1, now-1e6, now), 200)
		post(ctx, t, otlp+"/v1/metrics", fmt.Sprintf(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"orders","sum":`+
			`{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"timeUnixNano":"%d","asInt":"1"}]}}]}]}]}`, now), 400)
		post(ctx, t, otlp+"/v1/logs", `{"resourceLogs":7}`, 400)
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func post(ctx context.Context, t *testing.T, url, body string, want int) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			t.Error(err)
		}
		return
	}
	answer, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if busy := resp.StatusCode == 429 || resp.StatusCode == 503; resp.StatusCode != want && !busy {
		t.Errorf("%s answers %s: %s", url, resp.Status, answer)
	}
}

// absent are panels that may be empty here, and why.
var absent = []struct {
	panel string
	why   string
	here  func() bool
}{
	{"CPU pressure", "the kernel does not report it", without("/proc/pressure/cpu")},
	{"Memory pressure", "the kernel does not report it", without("/proc/pressure/memory")},
	{"I/O pressure", "the kernel does not report it", without("/proc/pressure/io")},
	{"Processes killed for memory", "a container's kernel may hide it", withoutText("/proc/vmstat", "oom_kill ")},
	{"Disk", "the machine has no disks of its own", withoutText("/proc/diskstats", " ")},
}

func without(path string) func() bool {
	return func() bool { _, err := os.ReadFile(path); return err != nil }
}

func withoutText(path, text string) func() bool {
	return func() bool { b, err := os.ReadFile(path); return err != nil || !strings.Contains(string(b), text) }
}

// excused is why a query may be empty on this machine.
func excused(q asked) string {
	for _, a := range absent {
		if strings.HasPrefix(q.where, a.panel) && a.here() {
			return a.why
		}
	}
	return ""
}

// patience limits all queries together; rates of rare writes are slowest.
const patience = 40 * time.Second

// TestEveryQueryHasData runs every dashboard query against `sluice up`: with all values of the variables, then with
// each by name.
func TestEveryQueryHasData(t *testing.T) {
	l := startLive(t)
	defer l.stop()
	g := grafana{store: l.store}
	all := everything()
	all["__rate_interval"], all["__auto"] = "10s", "10s"

	g.checkHealth(t, all)
	l.feed()
	waiting := append(queries(t), others(t)...)
	faults := map[asked]error{}
	for end := time.Now().Add(patience); len(waiting) > 0 && time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		var still []asked
		for _, q := range waiting {
			if err := g.ask(t, q, all); err != nil {
				still, faults[q] = append(still, q), err
			}
		}
		waiting = still
	}
	for _, q := range waiting {
		if why := excused(q); why != "" {
			t.Logf("%s: nothing to show here, %s", q, why)
			continue
		}
		t.Errorf("%s: %v", q, faults[q])
	}
	if t.Failed() {
		return
	}
	named := map[string]chosen{}
	for file := range shipped(t) {
		named[file] = g.choose(t, file, all)
	}
	for _, q := range queries(t) {
		if err := g.ask(t, q, named[q.board]); err != nil && excused(q) == "" {
			t.Errorf("with values chosen: %s: %v", q, err)
		}
	}
	g.checkLabels(t, all)
	g.checkRules(t)
	g.checkTargets(t)
	if n := g.figure(t, `sum(sluice_unaccounted_items)`); n != 0 {
		t.Errorf("%g items are unaccounted for", n)
	}
}
