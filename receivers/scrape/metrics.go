package scrape

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/wire/template"
)

// No label grows with the number of targets.
type metrics struct {
	scrapes, samples, rebuilds, parsed prometheus.Counter
	failures                           *prometheus.CounterVec
	byReason                           map[reason]prometheus.Counter
}

func newMetrics(r *Receiver) *metrics {
	reg := r.settings.Metrics
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_scrape_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	m := &metrics{
		scrapes:  counter("scrapes_total", "Scrapes, those that failed included."),
		samples:  counter("samples_total", "Samples in scraped bodies, before metric relabelling."),
		rebuilds: counter("template_rebuilds_total", "Scrapes after which a target's OTLP bytes were laid out anew, because series came or went."),
		parsed:   counter("parsed_lines_total", "Lines that went through the parser, because they were new or have exemplars."),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_scrape_failures_total", Help: "Scrapes that failed, by reason.",
		}, []string{"reason"}),
		byReason: map[reason]prometheus.Counter{},
	}
	reg.MustRegister(m.failures)
	for _, why := range reasons {
		m.byReason[why] = m.failures.WithLabelValues(string(why))
	}
	for state, count := range map[string]func(j *job) int{
		"active":  func(j *job) int { n, _, _ := j.census(); return n },
		"dropped": func(j *job) int { _, n, _ := j.census(); return n },
		"invalid": func(j *job) int { _, _, n := j.census(); return n },
	} {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_scrape_targets", Help: "Targets: scraped, dropped by relabel_configs, and those that cannot be made.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 {
			n := 0
			for _, j := range r.jobs {
				n += count(j)
			}
			return float64(n)
		}))
	}
	return m
}

func (m *metrics) add(res *template.Result) {
	m.scrapes.Inc()
	m.samples.Add(float64(res.Scraped))
	m.parsed.Add(float64(res.Parsed))
	if res.Rebuilt {
		m.rebuilds.Inc()
	}
	if res.Err != nil {
		m.byReason[reasonFor(res.Err)].Inc()
	}
}
