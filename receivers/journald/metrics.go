package journald

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	entries, truncated, repaired, restarts, cursorFailures prometheus.Counter
}

// register makes the metrics and returns the counter of refused requests.
func (m *metrics) register(reg prometheus.Registerer) (refused prometheus.Counter) {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_journald_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	m.entries = counter("entries_total", "Entries read.")
	m.truncated = counter("truncated_entries_total", "Entries whose message was cut at 64 KiB.")
	m.repaired = counter("repaired_fields_total", "Fields whose invalid UTF-8 was replaced by U+FFFD.")
	m.restarts = counter("journalctl_exits_total", "Times that journalctl ended and was started again.")
	m.cursorFailures = counter("checkpoint_failures_total", "Cursor files that could not be written, or were damaged when they were read.")
	return counter("refused_requests_total", "Requests that were refused and are repeated.")
}
