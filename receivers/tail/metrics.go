package tail

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/receivers/tail/reader"
)

// No label grows with the number of files.
type metrics struct {
	reader                         reader.Metrics
	unreadable, checkpointFailures prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_tail_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	lost := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_tail_lost_bytes_total", Help: "Bytes of files that went away before they were read, by reason.",
	}, []string{"reason"})
	reg.MustRegister(lost)
	return metrics{
		reader: reader.Metrics{
			Lines:      counter("lines_total", "Records made."),
			Bytes:      counter("read_bytes_total", "Bytes of files that were made into records."),
			Truncated:  counter("truncated_lines_total", "Records cut at max_line_bytes."),
			Repaired:   counter("repaired_lines_total", "Records whose invalid UTF-8 was replaced by U+FFFD."),
			Malformed:  counter("malformed_lines_total", "Lines of container logs that are not of their format, delivered whole."),
			NULs:       counter("skipped_nul_bytes_total", "NUL bytes before lines, which copytruncate leaves."),
			Refused:    counter("refused_requests_total", "Requests that were refused and are repeated."),
			Compressed: counter("compressed_files_total", "Files skipped because they are compressed."),
			Unwatched:  counter("unwatched_deletions_total", "Files deleted, or moved out of sight, while they were not open because of max_open_files: nobody knows what was written to them since the last look."),
			Lost:       lost,
		},
		unreadable:         counter("unreadable_total", "Failed attempts to read a file or folder, or something that is not a regular file."),
		checkpointFailures: counter("checkpoint_failures_total", "Checkpoints that could not be written, or were damaged when they were read."),
	}
}

func registerGauges(reg prometheus.Registerer, r *Receiver) {
	gauge := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sluice_tail_" + name, Help: help}, value))
	}
	gauge("open_files", "Files that are open.", func() float64 { return float64(r.reader.OpenFiles()) })
	gauge("dangling_links", "Links that the globs match and that have led nowhere for ten seconds: these logs are not read.", func() float64 { return float64(r.dangling()) })
	gauge("files", "Files that are followed.", func() float64 { n, _ := r.tracker.Census(); return float64(n) })
	gauge("unread_bytes", "Bytes of followed files that are not made into records yet.", func() float64 { _, n := r.tracker.Census(); return float64(n) })
}
