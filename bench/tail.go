package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

func tail(o options) (table, error) {
	t := table{
		title:   fmt.Sprintf("Tail of %.0f MB of CRI lines in 10 files to OTLP/HTTP", float64(o.tail)/1e6),
		command: "make bench, or: cd bench && go run . tail",
		head:    []string{"program", "CPU µs/line", "to Sluice's CPU", "peak RSS MiB", "lines/s"},
		notes:   []string{fmt.Sprintf("Median (min–max) of %d alternating runs, one core (GOMAXPROCS=1), lines of about 200 B, uncompressed to a counting sink, every line counted.", o.runs)},
	}
	dir, err := os.MkdirTemp("", "sluice-bench-*")
	if err != nil {
		return t, err
	}
	defer os.RemoveAll(dir)
	lines, err := writeCRI(dir, o.tail)
	if err != nil {
		return t, err
	}
	subjects := []struct {
		name, binary, config string
	}{
		{"Sluice", filepath.Join(o.bin, "sluice-agent"), `receivers:
  tail: {include: [%[1]s/pods/*/*/*.log], start_at: beginning}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[2]d", compression: none}
processors:
  batch: {}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [tail], processors: [batch], exporters: [otlp_http]}
`},
		{"Sluice, with `detect: [severity, trace]`", filepath.Join(o.bin, "sluice-agent"), `receivers:
  tail: {include: [%[1]s/pods/*/*/*.log], start_at: beginning, detect: [severity, trace]}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[2]d", compression: none}
processors:
  batch: {}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [tail], processors: [batch], exporters: [otlp_http]}
`},
		{"Collector 0.158 filelog + container operator", filepath.Join(o.peers, "otelcol"), `receivers:
  file_log: {include: [%[1]s/pods/*/*/*.log], start_at: beginning, include_file_path: true, operators: [{type: container, format: containerd}], retry_on_failure: {enabled: true}}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[2]d", compression: none, sending_queue: {block_on_overflow: true}}
processors:
  batch: {}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [file_log], processors: [batch], exporters: [otlp_http]}
`},
	}
	cpu, rss, rate := make([]series, len(subjects)), make([]series, len(subjects)), make([]series, len(subjects))
	for range o.runs {
		for i, s := range subjects {
			c, m, r, err := tailRun(dir, s.binary, s.config, lines)
			if err != nil {
				return t, fmt.Errorf("%s: %w", s.name, err)
			}
			cpu[i], rss[i], rate[i] = append(cpu[i], c), append(rss[i], m), append(rate[i], r)
		}
	}
	for i, s := range subjects {
		t.rows = append(t.rows, []string{s.name, cpu[i].format(2), ratio(cpu[i], cpu[0]).format(1), rss[i].format(0), rate[i].format(0)})
	}
	return t, nil
}

func writeCRI(dir string, size int64) (int64, error) {
	const files = 10
	r := rand.New(rand.NewPCG(3, 4))
	at := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	var lines int64
	for i := range files {
		folder := filepath.Join(dir, "pods", fmt.Sprintf("shop_checkout-%d_0f8fad5b-d9cb-469f-a165-7086772895%02d", i, i), "app")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return 0, err
		}
		f, err := os.Create(filepath.Join(folder, "0.log"))
		if err != nil {
			return 0, err
		}
		w := bufio.NewWriterSize(f, 1<<20)
		for written := int64(0); written < size/files; lines++ {
			at = at.Add(time.Duration(r.IntN(1e6)))
			n, _ := fmt.Fprintf(w, "%s stdout F level=info msg=\"%s %s %s\" order=%d user=%d duration=%.3fms trace=%016x path=/api/v1/orders/%d/items\n",
				at.Format("2006-01-02T15:04:05.000000000Z07:00"), words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))],
				r.IntN(1e7), r.IntN(1e6), r.Float64()*1000, r.Uint64(), r.IntN(1e6))
			written += int64(n)
		}
		if err := w.Flush(); err != nil {
			return 0, err
		}
		if err := f.Close(); err != nil {
			return 0, err
		}
	}
	return lines, nil
}

func tailRun(dir, binary, config string, lines int64) (cpu, rss, rate float64, err error) {
	state, err := os.MkdirTemp("", "sluice-bench-state-*")
	if err != nil {
		return 0, 0, 0, err
	}
	defer os.RemoveAll(state)
	out, err := newSink()
	if err != nil {
		return 0, 0, 0, err
	}
	defer out.close()
	file := filepath.Join(state, "config.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir, out.http), 0o600); err != nil {
		return 0, 0, 0, err
	}
	args := []string{"--config", file}
	if filepath.Base(binary) == "sluice-agent" {
		args = append(args, "--data-dir", state)
	}
	begin := time.Now()
	p, err := launch([]string{"GOMAXPROCS=1"}, binary, args...)
	if err != nil {
		return 0, 0, 0, err
	}
	defer p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := p.waitFor(ctx, "all lines", func() bool { return out.items.Load() >= lines }); err != nil {
		return 0, 0, 0, fmt.Errorf("%d of %d lines arrived: %w", out.items.Load(), lines, err)
	}
	took := time.Since(begin)
	used, err := p.cpu()
	if err != nil {
		return 0, 0, 0, err
	}
	rss, err = p.memory("VmHWM")
	if err != nil {
		return 0, 0, 0, err
	}
	if err := out.check(lines); err != nil {
		return 0, 0, 0, err
	}
	return float64(used.Microseconds()) / float64(lines), rss, float64(lines) / took.Seconds(), nil
}
