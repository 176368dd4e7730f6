package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	targets         = 100
	seriesPerTarget = 1500
	scrapeEvery     = 5 * time.Second
	changingShare   = 0.3 // of the values change between two scrapes, as on real nodes
)

// exposition is one target, similar to a node exporter, with a few prepared bodies in rotation to save CPU.
type exposition struct {
	plain, packed [][]byte
	next          atomic.Int64
}

func newExposition(seed uint64) (*exposition, error) {
	r := rand.New(rand.NewPCG(seed, 7))
	values := make([]float64, seriesPerTarget)
	for i := range values {
		values[i] = float64(r.IntN(1e9)) / 100
	}
	e := &exposition{}
	for range 4 {
		for i := range values {
			if r.Float64() < changingShare {
				values[i] += float64(r.IntN(1000)) / 100
			}
		}
		body := render(values)
		e.plain = append(e.plain, body)
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		e.packed = append(e.packed, z.Bytes())
	}
	return e, nil
}

func render(values []float64) []byte {
	var b bytes.Buffer
	const family = 15 // series per family
	for i, v := range values {
		name := fmt.Sprintf("node_subsystem_%d_operations_total", i/family)
		if i%family == 0 {
			fmt.Fprintf(&b, "# HELP %s Operations of the subsystem since the start.\n# TYPE %s counter\n", name, name)
		}
		fmt.Fprintf(&b, "%s{device=\"nvme%dn1\",mode=\"%s\",zone=\"zone-%d\"} %g\n", name, i%family/5, []string{"read", "write", "discard", "flush", "idle"}[i%5], i%3, v)
	}
	return b.Bytes()
}

func (e *exposition) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i := int(e.next.Add(1)) % len(e.plain)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(e.packed[i])
		return
	}
	w.Write(e.plain[i])
}

func serveTargets() (addresses []string, stop func(), err error) {
	var servers []*http.Server
	stop = func() {
		for _, s := range servers {
			s.Close()
		}
	}
	for i := range targets {
		e, err := newExposition(uint64(i))
		if err != nil {
			return nil, stop, err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, stop, err
		}
		s := &http.Server{Handler: e}
		servers = append(servers, s)
		go s.Serve(l)
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, stop, nil
}

// All scrapers read the same scrape_configs.
type scraper struct {
	name  string
	start func(o options, dir, config string, out *sink) (*process, func() int64, error)
}

func scrape(o options) (table, error) {
	t := table{
		title:   fmt.Sprintf("Scrape of %d targets of %d series every %s", targets, seriesPerTarget, scrapeEvery),
		command: "make bench, or: cd bench && go run . scrape",
		head:    []string{"bodies", "program", "CPU ns/sample", "to Sluice's CPU", "RSS B/series", "RSS MiB"},
		notes: []string{
			fmt.Sprintf("Median (min–max) of %d alternating runs of %d s after 3 scrapes of warm-up; %.0f %% of the values change each time.", o.runs, o.seconds, 100*changingShare),
			"Sluice sends every sample as OTLP/HTTP to a counting sink; Prometheus' scrape manager appends to a counter in its own process and sends nothing.",
			"RSS B/series is the whole process' memory divided by the series.",
		},
	}
	addresses, stop, err := serveTargets()
	defer stop()
	if err != nil {
		return t, err
	}
	for _, gz := range []bool{false, true} {
		scrapers := []scraper{{"Sluice", startSluice}, {"Prometheus 3.13 scrape manager", startPrometheus}}
		figures := make([]figure, len(scrapers))
		for range o.runs {
			for i, s := range scrapers {
				if err := scrapeRun(o, s, scrapeConfig(addresses, gz), &figures[i]); err != nil {
					return t, fmt.Errorf("%s: %w", s.name, err)
				}
			}
		}
		for i, s := range scrapers {
			f := figures[i]
			name := "identity"
			if gz {
				name = "gzip"
			}
			perSeries := make(series, len(f.rss))
			for j, mib := range f.rss {
				perSeries[j] = mib * (1 << 20) / (targets * seriesPerTarget)
			}
			t.rows = append(t.rows, []string{name, s.name, f.cpu.format(0), ratio(f.cpu, figures[0].cpu).format(1), perSeries.format(0), f.rss.format(0)})
		}
	}
	return t, nil
}

func scrapeConfig(addresses []string, gz bool) string {
	return fmt.Sprintf(`global:
  scrape_interval: %s
  scrape_timeout: %s
scrape_configs:
  - job_name: bench
    enable_compression: %v
    static_configs:
      - targets: [%s]
`, scrapeEvery, scrapeEvery, gz, strings.Join(addresses, ", "))
}

func indent(text string, by int) string {
	pad := strings.Repeat(" ", by)
	return pad + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+pad) + "\n"
}

func startSluice(o options, dir, config string, out *sink) (*process, func() int64, error) {
	text := fmt.Sprintf(`receivers:
  prometheus:
    config:
%sexporters:
  otlp_http: {endpoint: "http://127.0.0.1:%d", compression: none}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [prometheus], exporters: [otlp_http]}
`, indent(config, 6), out.http)
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, nil, err
	}
	p, err := launch([]string{"GOMAXPROCS=1"}, filepath.Join(o.bin, "sluice-agent"), "--config", file, "--data-dir", dir)
	return p, out.items.Load, err
}

// startPrometheus runs the peer and polls its count over HTTP.
func startPrometheus(o options, dir, config string, _ *sink) (*process, func() int64, error) {
	file := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	p, err := launch([]string{"GOMAXPROCS=1"}, filepath.Join(o.peers, "promscrape"), file, fmt.Sprintf("127.0.0.1:%d", port))
	var mu sync.Mutex
	var last int64
	return p, func() int64 {
		mu.Lock()
		defer mu.Unlock()
		if n, err := fetchCount(port); err == nil {
			last = n
		}
		return last
	}, err
}

func fetchCount(port int) (int64, error) {
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var n int64
	_, err = fmt.Fscan(res.Body, &n)
	return n, err
}

func scrapeRun(o options, s scraper, config string, f *figure) error {
	dir, err := os.MkdirTemp("", "sluice-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out, err := newSink()
	if err != nil {
		return err
	}
	defer out.close()
	p, arrived, err := s.start(o, dir, config, out)
	if err != nil {
		return err
	}
	defer p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	const round = targets * seriesPerTarget
	if err := p.waitFor(ctx, "three scrapes", func() bool { return arrived() >= 3*round }); err != nil {
		return err
	}
	before, err := p.cpu()
	if err != nil {
		return err
	}
	from := arrived()
	time.Sleep(time.Duration(o.seconds) * time.Second)
	after, err := p.cpu()
	if err != nil {
		return err
	}
	samples := arrived() - from
	rss, err := p.memory("VmRSS")
	if err != nil {
		return err
	}
	if want := int64(o.seconds) * round / int64(scrapeEvery/time.Second); samples < want*9/10 {
		return p.failed(fmt.Errorf("%d samples arrived in %d s, want about %d", samples, o.seconds, want))
	}
	f.cpu = append(f.cpu, float64((after-before).Nanoseconds())/float64(samples))
	f.rss = append(f.rss, rss)
	return nil
}
