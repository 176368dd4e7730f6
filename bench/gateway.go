package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc/encoding"
)

// A subject is a program between generator and sink.
type subject struct {
	name   string
	binary func(options) string
	config func(in, out ports, encoding, protocol string) string
	args   []string
	signal string // traces or metrics; logs if empty
	left   []int  // by request, how many of its records come out; nil: all
}

// arrives is how many records come out of the first n of requests, sent in turn.
func (s subject) arrives(n int) (sum int64) {
	if s.left == nil {
		return int64(n * logsPerRequest)
	}
	for i := range n {
		sum += int64(s.left[i%len(s.left)])
	}
	return sum
}

type ports struct{ http, grpc int }

var gatewaySubjects = []subject{
	{name: "Sluice", binary: func(o options) string { return filepath.Join(o.bin, "sluice-collector") }, config: func(in, out ports, enc, proto string) string {
		return gatewayConfig(in, out, enc, proto, "")
	}, args: []string{"--data-dir", filepath.Join(os.TempDir(), "sluice-bench-gateway")}},
	{name: "Collector 0.158, sending_queue off", binary: otelcol, config: func(in, out ports, enc, proto string) string {
		return gatewayConfig(in, out, enc, proto, "    sending_queue: {enabled: false}\n")
	}},
	{name: "Collector 0.158, default", binary: otelcol, config: func(in, out ports, enc, proto string) string {
		return gatewayConfig(in, out, enc, proto, "")
	}},
}

func otelcol(o options) string { return filepath.Join(o.peers, "otelcol") }

// gatewayConfig is the same for all subjects: otlp in, otlp out, nothing between.
func gatewayConfig(in, out ports, encoding, protocol, exporterKeys string) string {
	exporter, endpoint, receiver := "otlp_http", fmt.Sprintf("http://127.0.0.1:%d", out.http), fmt.Sprintf("http: {endpoint: 127.0.0.1:%d}", in.http)
	if protocol == "gRPC" {
		exporter, endpoint, receiver = "otlp_grpc", fmt.Sprintf("127.0.0.1:%d", out.grpc), fmt.Sprintf("grpc: {endpoint: 127.0.0.1:%d}", in.grpc)
	}
	if encoding == "" {
		encoding = "none"
	}
	return fmt.Sprintf(`receivers:
  otlp:
    protocols:
      %s
exporters:
  %s:
    endpoint: %s
    compression: %s
    tls: {insecure: true}
%sservice:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp], exporters: [%s]}
`, receiver, exporter, endpoint, encoding, exporterKeys, exporter)
}

type figure struct{ cpu, rss, wire series }

func gateway(o options) (table, error) {
	encoding.RegisterCompressor(zstdCompressor{})
	t := table{
		title:   "OTLP in, OTLP out: 1,000 different logs of about 350 B a request, one core (GOMAXPROCS=1)",
		command: "make bench, or: cd bench && go run . gateway",
		head:    []string{"way", "program", "CPU µs/log", "to Sluice's CPU", "peak RSS MiB", "B/log out"},
		notes:   []string{fmt.Sprintf("Median (min–max) of %d alternating runs of %d records each after warm-up; no processor between.", o.runs, o.logs)},
	}
	plain, err := logRequests()
	if err != nil {
		return t, err
	}
	packed := map[string][][]byte{"": plain}
	for encoding, bare := range codecs {
		packed[encoding] = bare.all(plain)
	}
	for _, way := range []struct{ protocol, encoding string }{{"HTTP", ""}, {"HTTP", "zstd"}, {"HTTP", "gzip"}, {"gRPC", ""}, {"gRPC", "zstd"}} {
		requests := plain
		if way.protocol == "HTTP" { // gRPC's client compresses itself
			requests = packed[way.encoding]
		}
		figures := make([]figure, len(gatewaySubjects))
		for range o.runs {
			for i, s := range gatewaySubjects {
				if err := gatewayRun(o, s, way.protocol, way.encoding, requests, &figures[i]); err != nil {
					return t, fmt.Errorf("%s, %s %s: %w", s.name, way.protocol, way.encoding, err)
				}
			}
		}
		if bare := codecs[way.encoding]; bare != nil && way.protocol == "HTTP" {
			cpu, wire := bare.rate(plain, o.runs)
			t.rows = append(t.rows, []string{way.protocol + ", " + way.encoding, "klauspost/compress alone, " + bare.level, cpu.format(3), "–", "–", fmt.Sprintf("%.0f", wire)})
		}
		for i, s := range gatewaySubjects {
			f := figures[i]
			name := way.protocol + ", uncompressed"
			if way.encoding != "" {
				name = way.protocol + ", " + way.encoding
			}
			t.rows = append(t.rows, []string{name, s.name, f.cpu.format(3), ratio(f.cpu, figures[0].cpu).format(1), f.rss.format(0), f.wire.format(0)})
		}
	}
	return t, nil
}

func gatewayRun(o options, s subject, protocol, codec string, requests [][]byte, f *figure) error {
	out, err := newSink()
	if err != nil {
		return err
	}
	defer out.close()
	in := ports{}
	if in.http, err = freePort(); err != nil {
		return err
	}
	if in.grpc, err = freePort(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sluice-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(s.config(in, ports{out.http, out.grpc}, codec, protocol)), 0o600); err != nil {
		return err
	}
	p, err := launch([]string{"GOMAXPROCS=1"}, s.binary(o), append([]string{"--config", file}, s.args...)...)
	if err != nil {
		return err
	}
	defer p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	port, send := in.http, httpSender(in.http, "/v1/"+cmp.Or(s.signal, "logs"), codec)
	if protocol == "gRPC" {
		var closeConn func() error
		if send, closeConn, err = grpcSender(in.grpc, codec); err != nil {
			return err
		}
		defer closeConn()
		port = in.grpc
	}
	if err := p.waitFor(ctx, "listener", listening(port)); err != nil {
		return err
	}
	n := o.logs / logsPerRequest
	warm := n / 10
	if err := drive(ctx, send, requests, warm); err != nil {
		return p.failed(err)
	}
	before, err := p.cpu()
	if err != nil {
		return err
	}
	if err := drive(ctx, send, requests, n); err != nil {
		return p.failed(err)
	}
	sent := s.arrives(warm) + s.arrives(n)
	if err := p.waitFor(ctx, "all records", func() bool { return out.items.Load() >= sent }); err != nil {
		return err
	}
	after, err := p.cpu()
	if err != nil {
		return err
	}
	rss, err := p.memory("VmHWM")
	if err != nil {
		return err
	}
	if err := out.check(sent); err != nil {
		return p.failed(err)
	}
	f.cpu = append(f.cpu, float64((after-before).Microseconds())/float64(n*logsPerRequest))
	f.rss = append(f.rss, rss)
	f.wire = append(f.wire, float64(out.bytes.Load())/float64(sent))
	return nil
}
