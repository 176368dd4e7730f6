package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	exposedSeries = 100_000
	exposeRounds  = 8 // of points for all series, and a scrape behind each
)

var exposeSubjects = []subject{
	{name: "Sluice", binary: gatewaySubjects[0].binary},
	{name: "Collector 0.158", binary: otelcol},
}

// expose measures points on their way to the exporter prometheus, and its scrapes.
func expose(o options) (table, error) {
	t := table{
		title:   fmt.Sprintf("Exporter `prometheus`: %d series over OTLP/HTTP, all points sent again before each scrape, one core (GOMAXPROCS=1)", exposedSeries),
		command: "make bench, or: cd bench && go run . expose",
		head:    []string{"program", "CPU µs/point with its share of the scrape", "to Sluice's CPU", "peak RSS MiB", "scrape, s", "scrape, MB"},
		notes: []string{fmt.Sprintf("Median (min–max) of %d alternating runs of %d rounds after one for warm-up; every scrape had all series. Between rounds nobody works, so that it is the same at 15 s.",
			o.runs, exposeRounds)},
	}
	requests, _, err := pointRequests(exposedSeries / logsPerRequest)
	if err != nil {
		return t, err
	}
	figures := make([]exposure, len(exposeSubjects))
	for range o.runs {
		for i, s := range exposeSubjects {
			if err := exposeRun(o, s, requests, &figures[i]); err != nil {
				return t, fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	for i, s := range exposeSubjects {
		f := figures[i]
		t.rows = append(t.rows, []string{s.name, f.cpu.format(2), ratio(f.cpu, figures[0].cpu).format(1), f.rss.format(0), f.took.format(2), f.size.format(1)})
	}
	return t, nil
}

type exposure struct{ cpu, rss, took, size series }

func exposeRun(o options, s subject, requests [][]byte, f *exposure) error {
	in, err := freePort()
	if err != nil {
		return err
	}
	out, err := freePort()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sluice-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%d}}}
exporters:
  prometheus: {endpoint: 127.0.0.1:%d}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus]}
`, in, out), 0o600); err != nil {
		return err
	}
	args := []string{"--config", file}
	if strings.HasPrefix(s.name, "Sluice") {
		args = append(args, "--data-dir", dir)
	}
	p, err := launch([]string{"GOMAXPROCS=1"}, s.binary(o), args...)
	if err != nil {
		return err
	}
	defer p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := p.waitFor(ctx, "listener", listening(in)); err != nil {
		return err
	}
	send := httpSender(in, "/v1/metrics", "")
	round := func() (time.Duration, float64, error) {
		if err := drive(ctx, send, requests, len(requests)); err != nil {
			return 0, 0, err
		}
		begun := time.Now()
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", out))
		if err != nil {
			return 0, 0, err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if n := strings.Count(string(body), "\nsystem_metric"); err == nil && n != exposedSeries {
			err = fmt.Errorf("the scrape had %d series", n)
		}
		return time.Since(begun), float64(len(body)) / 1e6, err
	}
	if _, _, err := round(); err != nil {
		return p.failed(err)
	}
	before, err := p.cpu()
	if err != nil {
		return err
	}
	for range exposeRounds {
		took, size, err := round()
		if err != nil {
			return p.failed(err)
		}
		f.took, f.size = append(f.took, took.Seconds()), append(f.size, size)
	}
	after, err := p.cpu()
	if err != nil {
		return err
	}
	rss, err := p.memory("VmHWM")
	if err != nil {
		return err
	}
	f.cpu = append(f.cpu, float64((after-before).Microseconds())/float64(exposeRounds*exposedSeries))
	f.rss = append(f.rss, rss)
	return nil
}
