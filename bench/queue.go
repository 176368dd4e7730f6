package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// queueSubjects compare a queue on disk with none.
var queueSubjects = []subject{
	{name: "Sluice, without a queue", binary: gatewaySubjects[0].binary, config: func(in, out ports, enc, proto string) string {
		return gatewayConfig(in, out, enc, proto, "")
	}, args: gatewaySubjects[0].args},
	{name: "Sluice, queue on disk", binary: gatewaySubjects[0].binary, config: func(in, out ports, enc, proto string) string {
		return queueConfig(in, out, enc, "")
	}, args: gatewaySubjects[0].args},
	{name: "Collector 0.158, file_storage", binary: otelcol, config: func(in, out ports, enc, proto string) string {
		return queueConfig(in, out, enc, "")
	}},
	{name: "Collector 0.158, file_storage with fsync", binary: otelcol, config: func(in, out ports, enc, proto string) string {
		return queueConfig(in, out, enc, ", fsync: true")
	}},
}

// queueConfig is gatewayConfig over HTTP with a queue in a fresh folder.
func queueConfig(in, out ports, encoding, fsync string) string {
	dir, err := os.MkdirTemp(os.TempDir(), "sluice-bench-queue-*")
	if err != nil {
		panic(err)
	}
	c := gatewayConfig(in, out, encoding, "HTTP", "    sending_queue: {storage: file_storage, sizer: requests, queue_size: 1000000}\n")
	return strings.Replace(c, "service:\n", fmt.Sprintf("extensions:\n  file_storage: {directory: %s%s}\nservice:\n  extensions: [file_storage]\n", dir, fsync), 1)
}

func queue(o options) (table, error) {
	t := table{
		title:   "A queue on disk: OTLP/HTTP zstd in and out, 1,000 different logs of about 350 B a request, one core (GOMAXPROCS=1)",
		command: "make bench, or: cd bench && go run . queue",
		head:    []string{"program", "CPU µs/log", "to no queue", "peak RSS MiB", "B/log out"},
		notes: []string{
			fmt.Sprintf("Median (min–max) of %d alternating runs of %d records each after warm-up; no processor between. Sluice answers after fsync; the Collector's file_storage does not by default.", o.runs, o.logs),
		},
	}
	plain, err := logRequests()
	if err != nil {
		return t, err
	}
	packed, err := zstdAll(plain)
	if err != nil {
		return t, err
	}
	defer func() {
		left, _ := filepath.Glob(filepath.Join(os.TempDir(), "sluice-bench-queue-*"))
		for _, dir := range left {
			_ = os.RemoveAll(dir)
		}
	}()
	figures := make([]figure, len(queueSubjects))
	for range o.runs {
		for i, s := range queueSubjects {
			if err := gatewayRun(o, s, "HTTP", "zstd", packed, &figures[i]); err != nil {
				return t, fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	for i, s := range queueSubjects {
		f := figures[i]
		t.rows = append(t.rows, []string{s.name, f.cpu.format(3), ratio(f.cpu, figures[0].cpu).format(2), f.rss.format(0), f.wire.format(0)})
	}
	return t, nil
}
