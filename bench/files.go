package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

const (
	slowFiles = 200
	// filesWarmUp is the unmeasured load before.
	filesWarmUp = 3 * time.Second
)

var filesRates = []int{20, 2000} // lines per second, over all files

// filesSubjects give each record the same attributes: the Collector's are moved to the resource, where Sluice has them.
var filesSubjects = []struct{ name, binary, config string }{
	{"Sluice", "sluice-agent", sluiceFiles("")},
	{"Sluice, linger 0s", "sluice-agent", sluiceFiles(", linger: 0s")},
	{"Collector 0.158 filelog", "otelcol", `receivers:
  file_log:
    include: [%[1]s/*.log]
    start_at: beginning
    include_file_path: true
    resource: {host.name: %[3]s, service.name: app}
    operators:
      - {type: move, from: 'attributes["log.file.name"]', to: 'resource["log.file.name"]'}
      - {type: move, from: 'attributes["log.file.path"]', to: 'resource["log.file.path"]'}
    retry_on_failure: {enabled: true}
processors:
  batch: {}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[2]d", compression: zstd}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [file_log], processors: [batch], exporters: [otlp_http]}
`},
}

func sluiceFiles(keys string) string {
	return `receivers:
  tail: {include: [%[1]s/*.log], start_at: beginning` + keys + `}
processors:
  batch: {}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[2]d", compression: zstd}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [tail], processors: [batch], exporters: [otlp_http]}
# %[3]s
`
}

type filesFigure struct{ requests, wire, cpu, rss series }

func files(o options) (table, error) {
	t := table{
		title:   fmt.Sprintf("Tail of %d slow files to OTLP/HTTP with zstd", slowFiles),
		command: "make bench, or: cd bench && go run . files",
		head:    []string{"lines/s in total", "program", "requests/s", "B/line out", "CPU µs/line", "RSS MiB"},
		notes: []string{fmt.Sprintf("Median (min–max) of %d alternating runs of %d s after %s of warm-up, one core (GOMAXPROCS=1), plain lines of about 130 B, the same attributes, every line counted.",
			o.filesRuns, o.filesSeconds, filesWarmUp), "CPU includes looking at the files, which at 20 lines/s is nearly all of it."},
	}
	for _, rate := range filesRates {
		figures := make([]filesFigure, len(filesSubjects))
		for range o.filesRuns {
			for i, s := range filesSubjects {
				binary := filepath.Join(o.bin, s.binary)
				if s.binary == "otelcol" {
					binary = otelcol(o)
				}
				if err := filesRun(binary, s.config, rate, time.Duration(o.filesSeconds)*time.Second, &figures[i]); err != nil {
					return t, fmt.Errorf("%s, %d lines/s: %w", s.name, rate, err)
				}
			}
		}
		for i, s := range filesSubjects {
			f := figures[i]
			t.rows = append(t.rows, []string{fmt.Sprint(rate), s.name, f.requests.format(1), f.wire.format(1), f.cpu.format(1), f.rss.format(0)})
		}
	}
	return t, nil
}

// slowLogs are files that lines are appended to by the clock.
type slowLogs struct {
	files []*os.File
	r     *rand.Rand
	lines int64
}

func openSlowLogs(dir string) (*slowLogs, error) {
	l := &slowLogs{r: rand.New(rand.NewPCG(3, 4))}
	for i := range slowFiles {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("app-%03d.log", i)))
		if err != nil {
			return l, err
		}
		l.files = append(l.files, f)
	}
	return l, nil
}

func (l *slowLogs) close() {
	for _, f := range l.files {
		f.Close()
	}
}

// write appends so many lines a second to files drawn at random.
func (l *slowLogs) write(rate int, d time.Duration) error {
	begin := time.Now()
	for n := range int(d.Seconds() * float64(rate)) {
		time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		r := l.r
		_, err := fmt.Fprintf(l.files[r.IntN(slowFiles)], "level=info msg=\"%s %s %s\" order=%d user=%d duration=%.3fms trace=%016x path=/api/v1/orders/%d/items\n",
			words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))],
			r.IntN(1e7), r.IntN(1e6), r.Float64()*1000, r.Uint64(), r.IntN(1e6))
		if err != nil {
			return err
		}
		l.lines++
	}
	return nil
}

func filesRun(binary, config string, rate int, d time.Duration, f *filesFigure) error {
	dir, err := os.MkdirTemp("", "sluice-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	state := filepath.Join(dir, "state")
	host, err := os.Hostname()
	if err = errors.Join(err, os.Mkdir(state, 0o755)); err != nil {
		return err
	}
	out, err := newSink()
	if err != nil {
		return err
	}
	defer out.close()
	file := filepath.Join(state, "config.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir, out.http, host), 0o600); err != nil {
		return err
	}
	logs, err := openSlowLogs(dir)
	defer logs.close()
	if err != nil {
		return err
	}
	args := []string{"--config", file}
	if filepath.Base(binary) == "sluice-agent" {
		args = append(args, "--data-dir", state)
	}
	p, err := launch([]string{"GOMAXPROCS=1"}, binary, args...)
	if err != nil {
		return err
	}
	defer p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), d+time.Minute)
	defer cancel()
	load := func(d time.Duration) error {
		if err := logs.write(rate, d); err != nil {
			return err
		}
		return p.waitFor(ctx, "all lines", func() bool { return out.items.Load() >= logs.lines })
	}
	if err := load(filesWarmUp); err != nil {
		return err
	}
	before, err := p.cpu()
	if err != nil {
		return err
	}
	requests, bytes, lines, begin := out.requests.Load(), out.bytes.Load(), logs.lines, time.Now()
	if err := load(d); err != nil {
		return fmt.Errorf("%d lines written, %d arrived: %w", logs.lines, out.items.Load(), err)
	}
	took := time.Since(begin).Seconds()
	after, err := p.cpu()
	if err != nil {
		return err
	}
	rss, err := p.memory("VmRSS")
	if err != nil {
		return err
	}
	if err := out.check(logs.lines); err != nil {
		return p.failed(err)
	}
	n := float64(logs.lines - lines)
	f.requests = append(f.requests, float64(out.requests.Load()-requests)/took)
	f.wire = append(f.wire, float64(out.bytes.Load()-bytes)/n)
	f.cpu = append(f.cpu, float64((after-before).Microseconds())/n)
	f.rss = append(f.rss, rss)
	return nil
}
