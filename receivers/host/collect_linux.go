package host

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
)

type member struct {
	name   string
	from   collector.Collector // nil until it can be made
	busy   atomic.Bool         // running, perhaps since an earlier reading
	failed bool                // at the last reading
}

// set runs collectors concurrently, like the node exporter, but with a timeout and panic recovery. As a
// prometheus.Collector, its output is checked and sorted by the registry.
type set struct {
	members []*member
	timeout time.Duration
	log     *slog.Logger
	quiet   *slog.Logger // for the collectors themselves
	fail    func()       // called for each collector that fails
	files   *fileNames   // nil without the collector of text files
}

// patience limits the wait: a hung network mount can block a collector forever.
const patience = 10 * time.Second

func (r *Receiver) newSet(names []string) *set {
	s := &set{timeout: min(patience, r.cfg.CollectionInterval), log: r.settings.Log, quiet: quiet(r.settings.Log, r.badFiles.Inc), fail: r.failures.Inc}
	if slices.Contains(names, textfile) {
		s.files = newFileNames(s.log, r.leftOut.Inc)
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		s.members = append(s.members, &member{name: name})
	}
	return s
}

type part struct {
	of      *member
	metrics []prometheus.Metric
	took    time.Duration
	err     error
}

var (
	durationDesc = prometheus.NewDesc("node_scrape_collector_duration_seconds",
		"node_exporter: Duration of a collector scrape.", []string{"collector"}, nil)
	successDesc = prometheus.NewDesc("node_scrape_collector_success",
		"node_exporter: Whether a collector succeeded.", []string{"collector"}, nil)
)

// Describe sends nothing: the metrics are not known in advance.
func (s *set) Describe(chan<- *prometheus.Desc) {}

// Collect runs all collectors that are not still running, and waits up to the timeout.
func (s *set) Collect(ch chan<- prometheus.Metric) {
	var files *part // given last: the names of the other collectors win
	defer func() {
		if files != nil {
			s.give(ch, *files)
		}
	}()
	parts := make(chan part, len(s.members)) // room for all, so that a late one can finish
	waiting := map[*member]bool{}
	for _, m := range s.members {
		if !m.busy.CompareAndSwap(false, true) {
			s.give(ch, part{of: m, err: errors.New("it still runs since an earlier reading")})
			continue
		}
		waiting[m] = true
		go func() { parts <- m.run(s) }()
	}
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	for len(waiting) > 0 {
		select {
		case p := <-parts:
			delete(waiting, p.of)
			if p.of.name == textfile {
				files = &p
				continue
			}
			s.give(ch, p)
		case <-timer.C:
			for m := range waiting {
				s.give(ch, part{of: m, took: s.timeout, err: fmt.Errorf("it takes longer than %s", s.timeout)})
			}
			return
		}
	}
}

func (m *member) run(s *set) (p part) {
	defer m.busy.Store(false)
	p.of = m
	begin := time.Now()
	ch, done := make(chan prometheus.Metric), make(chan struct{})
	go func() {
		defer close(done)
		for metric := range ch {
			p.metrics = append(p.metrics, metric)
		}
	}()
	defer func() {
		if r := recover(); r != nil { // MustNewConstMetric panics on odd kernel data
			p.err = fmt.Errorf("it panicked: %v", r)
		}
		close(ch)
		<-done
		p.took = time.Since(begin)
	}()
	if m.from == nil {
		if p.err = m.make(s); p.err != nil {
			return p
		}
	}
	p.err = m.from.Update(ch)
	return p
}

func (s *set) give(ch chan<- prometheus.Metric, p part) {
	if s.files != nil {
		p.metrics = s.files.filter(p)
	}
	for _, m := range p.metrics {
		ch <- m
	}
	success := 1.0
	failed := p.err != nil && !collector.IsNoDataError(p.err)
	if p.err != nil {
		success = 0
	}
	if failed {
		s.fail()
		if !p.of.failed {
			s.log.Warn("a collector of the machine's metrics fails", "collector", p.of.name, "error", p.err)
		}
	}
	p.of.failed = failed
	ch <- prometheus.MustNewConstMetric(durationDesc, prometheus.GaugeValue, p.took.Seconds(), p.of.name)
	ch <- prometheus.MustNewConstMetric(successDesc, prometheus.GaugeValue, success, p.of.name)
}
