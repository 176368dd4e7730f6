package tail

import "github.com/prometheus/client_golang/prometheus"

// metrics are the receiver's own. None has a label that grows with the number of files.
type metrics struct {
	lines, bytes, truncated, repaired, malformed, nul prometheus.Counter
	refusals, unreadable, packed, checkpointFailures  prometheus.Counter
	lost                                              *prometheus.CounterVec
}

func newMetrics(r *Receiver) *metrics {
	reg := r.settings.Metrics
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_tail_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sluice_tail_" + name, Help: help}, value))
	}
	m := &metrics{
		lines:      counter("lines_total", "Records made."),
		bytes:      counter("read_bytes_total", "Bytes of files that were made into records."),
		truncated:  counter("truncated_lines_total", "Records cut at max_line_bytes."),
		repaired:   counter("repaired_lines_total", "Records whose invalid UTF-8 was replaced by U+FFFD."),
		malformed:  counter("malformed_lines_total", "Lines of CRI files without a CRI header, delivered whole."),
		nul:        counter("skipped_nul_bytes_total", "NUL bytes before lines, which copytruncate leaves."),
		refusals:   counter("refused_requests_total", "Requests that were refused and are repeated."),
		unreadable: counter("unreadable_total", "Attempts to look at a file or folder that failed, or that met something other than a regular file."),
		packed:     counter("compressed_files_total", "Files left alone because they are compressed."),
		checkpointFailures: counter("checkpoint_failures_total",
			"Checkpoints that could not be written, or were damaged when they were read."),
		lost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_tail_lost_bytes_total", Help: "Bytes of files that went away before they were read, by reason.",
		}, []string{"reason"}),
	}
	reg.MustRegister(m.lost)
	gauge("open_files", "Files that are open.", func() float64 { return float64(r.open.Load()) })
	gauge("files", "Files that are known.", func() float64 { n, _ := r.census(); return float64(n) })
	gauge("unread_bytes", "Bytes of known files that are not made into records yet.", func() float64 { _, n := r.census(); return float64(n) })
	return m
}

// add books what happened to lines, and clears it.
func (m *metrics) add(c *lineCounts) {
	m.lines.Add(float64(c.lines))
	m.truncated.Add(float64(c.truncated))
	m.repaired.Add(float64(c.repaired))
	m.malformed.Add(float64(c.malformed))
	m.nul.Add(float64(c.nul))
	*c = lineCounts{}
}
