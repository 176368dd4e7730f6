package scrape

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire/prom"
)

func TestMain(m *testing.M) {
	// klog, which the Kubernetes client of discovery brings, flushes for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("k8s.io/klog/v2.(*flushDaemon).run.func1"))
}

// start runs a receiver with this Prometheus configuration.
func start(t *testing.T, text string, sink pipeline.Sink, dial func(context.Context, string, string) (net.Conn, error)) (*Receiver, *ledger.Ledger) {
	t.Helper()
	cfg := Default()
	cfg.BacklogBytes = 1 << 20
	if err := yaml.Unmarshal([]byte(text), &cfg.Config); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s, ledger := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
	s.Log = slog.New(slog.DiscardHandler)
	r, err := newReceiver(s, cfg, pipeline.OutputsTo(s.Entrance(pipeline.Metrics, sink), pipeline.Metrics), dial)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, ledger
}

// ups counts the scrapes of each instance, by the value of up.
type ups struct {
	mu   sync.Mutex
	tr   *prom.Translator
	seen map[string]int
}

func newUps() *ups { return &ups{tr: prom.New(prom.DefaultConfig()), seen: map[string]int{}} }

func (u *ups) Consume(_ context.Context, b pipeline.Batch) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, err := u.tr.Walk(b.Request, prom.SinkFunc(func(s *prom.Sample) error {
		if string(s.Labels.Get("__name__")) == "up" {
			v := fmt.Sprint(s.Value)
			if s.Stale {
				v = "stale"
			}
			u.seen[string(s.Labels.Get("instance"))+" "+v]++
		}
		return nil
	}))
	return err
}

func (u *ups) count(key string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seen[key]
}

// hosts is a network of several hosts; each name has its own way to answer a connection.
type hosts map[string]*pipeNet

func (h hosts) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	if p, ok := h[host]; ok {
		return p.dial(ctx, network, address)
	}
	return nil, errors.New("no such host")
}

// TestASlowTargetDelaysNoOther: one hangs, one sends a byte a second, one never accepts; the good one is scraped at
// every turn.
func TestASlowTargetDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, hang, drip, dead := newPipeNet(), newPipeNet(), newPipeNet(), newPipeNet()
		serve := func(p *pipeNet, h http.HandlerFunc) {
			s := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
			go func() { _ = s.Serve(p) }()
			t.Cleanup(func() { _ = s.Close() })
		}
		serve(good, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", textType)
			_, _ = fmt.Fprintln(w, "a 1")
		})
		serve(hang, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		serve(drip, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", textType)
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("#"))
				w.(http.Flusher).Flush()
				time.Sleep(time.Second)
			}
		})
		u := newUps()
		r, _ := start(t, `
global: {scrape_interval: 10s, scrape_timeout: 9s}
scrape_configs:
- job_name: j
  static_configs: [{targets: [good:1, hang:1, drip:1, dead:1, none:1]}]
`, u, hosts{"good": good, "hang": hang, "drip": drip, "dead": dead}.dial)
		time.Sleep(10*time.Minute + 9*time.Second)
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := u.count("good:1 1"); n < 60 || n > 61 {
			t.Errorf("the good target was scraped %d times in ten minutes", n)
		}
		for _, bad := range []string{"hang", "drip", "dead", "none"} {
			if n := u.count(bad + ":1 0"); n < 59 || u.count(bad+":1 1") != 0 {
				t.Errorf("%s: up was 0 %d times, 1 %d times", bad, n, u.count(bad+":1 1"))
			}
		}
		if got := testutil.ToFloat64(r.metrics.byReason[reasonTimeout]); got < 3*59 {
			t.Errorf("%v timeouts are counted", got)
		}
		if got := testutil.ToFloat64(r.metrics.byReason[reasonConnect]); got < 59 {
			t.Errorf("%v failures to connect are counted", got)
		}
		time.Sleep(time.Hour)
	})
}

// TestADeadDestinationDelaysNoScrape: the backlog is bounded and what falls out is counted; the ledger closes.
func TestADeadDestinationDelaysNoScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := newPipeNet()
		server := good.serve(slices.Repeat([]answer{{typ: textType, body: "a 1\nb 1\n"}}, 10000))
		var dead atomic.Bool
		dead.Store(true)
		u := newUps()
		sink := pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
			if dead.Load() {
				return pipeline.Refuse(0, errors.New("away"))
			}
			return u.Consume(ctx, b)
		})
		r, ledger := start(t, `
global: {scrape_interval: 1s}
scrape_configs:
- job_name: j
  static_configs: [{targets: [good:1]}]
`, sink, hosts{"good": good}.dial)
		time.Sleep(time.Hour)
		dead.Store(false)
		time.Sleep(time.Minute)
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = server.Close()
		if n := testutil.ToFloat64(r.metrics.scrapes); n < 3600 {
			t.Errorf("%v scrapes in an hour", n)
		}
		for _, a := range ledger.Read() {
			if lost := a.Dropped[pipeline.DropBacklogFull].Items; a.In.Items > 0 && (lost == 0 || a.In.Items != a.Out.Items+lost) {
				t.Errorf("of %d points %d were delivered and %d dropped", a.In.Items, a.Out.Items, lost)
			}
		}
		if n := ledger.Unaccounted(); n != 0 {
			t.Errorf("%d items unaccounted for", n)
		}
		time.Sleep(time.Hour)
	})
}

func TestTargetLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := newPipeNet()
		server := good.serve(slices.Repeat([]answer{{typ: textType, body: "a 1\n"}}, 100))
		u := newUps()
		r, _ := start(t, `
global: {scrape_interval: 10s}
scrape_configs:
- job_name: j
  target_limit: 1
  static_configs: [{targets: [good:1, good:2]}]
  relabel_configs: [{source_labels: [__address__], regex: 'drop.*', action: drop}]
`, u, hosts{"good": good}.dial)
		time.Sleep(time.Minute)
		if u.count("good:1 1") != 0 || u.count("good:1 0") == 0 || testutil.ToFloat64(r.metrics.byReason[reasonTargetLimit]) == 0 {
			t.Errorf("over target_limit: %v", u.seen)
		}
		// One of the two leaves: the other is scraped, and the markers of the first come.
		r.jobs["j"].sync(groupOf("good:1", "drop:1"))
		time.Sleep(time.Minute)
		if u.count("good:1 1") == 0 || u.count("good:2 stale") != 1 || u.count("good:1 stale") != 0 {
			t.Errorf("after one left: %v", u.seen)
		}
		if active, dropped, invalid := r.jobs["j"].census(); active != 1 || dropped != 1 || invalid != 0 {
			t.Errorf("targets: %d active, %d dropped, %d invalid", active, dropped, invalid)
		}
		// A target that comes back before its markers goes on without them.
		r.jobs["j"].sync(nil)
		time.Sleep(5 * time.Second)
		r.jobs["j"].sync(groupOf("good:1"))
		time.Sleep(time.Minute)
		if u.count("good:1 stale") != 0 {
			t.Errorf("after it came back: %v", u.seen)
		}
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = server.Close()
		time.Sleep(time.Hour)
	})
}

func TestCompression(t *testing.T) {
	encodings := make(chan string, 100)
	serve := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case encodings <- r.URL.Path + " " + r.Header.Get("Accept-Encoding"):
		default:
		}
		w.Header().Set("Content-Type", textType)
		_, _ = fmt.Fprintln(w, "a 1")
	}))
	defer serve.Close()
	address := serve.Listener.Addr().String()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	r, _ := start(t, `
global: {scrape_interval: 50ms}
scrape_configs:
- {job_name: local, metrics_path: /local, static_configs: [{targets: ['127.0.0.1:1', '[::1]:1', 'localhost:1']}]}
- {job_name: asked, metrics_path: /asked, enable_compression: true, static_configs: [{targets: ['127.0.0.1:1']}]}
- {job_name: remote, metrics_path: /remote, static_configs: [{targets: ['10.0.0.1:1']}]}
- {job_name: plain, metrics_path: /plain, enable_compression: false, static_configs: [{targets: ['10.0.0.1:1']}]}
`, &pipelinetest.Counter{}, dial)
	defer func() { _ = r.Stop(context.Background()) }()
	got := map[string]bool{}
	for len(got) < 4 {
		select {
		case e := <-encodings:
			got[e] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("only %v", got)
		}
	}
	for _, want := range []string{"/local identity", "/asked gzip", "/remote gzip", "/plain identity"} {
		if !got[want] {
			t.Errorf("%q is not in %v", want, got)
		}
	}
}

// TestFileDiscovery: targets come and go with a file.
func TestFileDiscovery(t *testing.T) {
	serve := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", textType)
		_, _ = fmt.Fprintln(w, "a 1")
	}))
	defer serve.Close()
	name := filepath.Join(t.TempDir(), "targets.json")
	text := fmt.Sprintf(`[{"targets": [%q], "labels": {"instance": "first"}}]`, serve.Listener.Addr().String())
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	if err := yaml.Unmarshal([]byte("global: {scrape_interval: 50ms}\nscrape_configs:\n- job_name: j\n  file_sd_configs: [{files: ['"+name+"'], refresh_interval: 100ms}]\n"), &cfg.Config); err != nil {
		t.Fatal(err)
	}
	cfg.DiscoveryReloadOnStartup = true
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
	u := newUps()
	r, err := New(s, cfg, pipeline.OutputsTo(u, pipeline.Metrics))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait := func(key string) {
		t.Helper()
		for begin := time.Now(); u.count(key) == 0; time.Sleep(10 * time.Millisecond) {
			if time.Since(begin) > 20*time.Second {
				t.Fatalf("no %q", key)
			}
		}
	}
	wait("first 1")
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("the first discovered target was scraped after %s: discovery_reload_on_startup does nothing", took)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(text, "first", "second", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	wait("second 1")
	wait("first stale")
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestClassesOfBuffers(t *testing.T) {
	var p bufferPool
	for n := 1; n < 1<<22; n += 1 + n/97 {
		class, size := classOf(n)
		if size < n || n > 4<<10 && float64(size) > math.Ceil(1.25*float64(n)) {
			t.Fatalf("a buffer of class %d for %d bytes has %d", class, n, size)
		}
		if b := p.get(n); cap(b) < n+n/64 {
			t.Fatalf("a buffer for %d bytes has %d", n, cap(b))
		}
	}
	b := make([]byte, 0, 10_000)
	p.put(b)
	if got := p.get(9_000); cap(got) < 9_000 {
		t.Errorf("a buffer for 9000 bytes has %d", cap(got))
	}
	if big := append(p.get(1_000_000), make([]byte, 500)...); cap(p.fit(big)) > 9_000 {
		t.Errorf("500 bytes stay in a buffer of %d", cap(p.fit(big)))
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
	reg := prometheus.NewPedanticRegistry()
	s.Metrics = reg
	cfg := Default()
	cfg.Config = map[string]any{"scrape_configs": []any{map[string]any{"job_name": "a"}}}
	r, err := New(s, cfg, pipeline.Outputs{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Stop(context.Background()) }()
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
