package canary

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	maxInstances = 1000
	// maxRuns are kept of an instance: a queue may bring records of an old run behind those of a new one.
	maxRuns = 3
	// gone is after what time without records an instance and its metrics are forgotten.
	gone = time.Hour
)

// flock is the canaries that a pipeline sees. It is a Collector, since numbers go missing by the passing of time.
type flock struct {
	metrics
	missingAfter time.Duration

	mu        sync.Mutex
	instances map[string]*instance
}

type instance struct {
	runs []*run // oldest first
	last time.Time
	own  series
}

// A sighting is a record of a canary that came.
type sighting struct {
	canary
	n    uint64
	took time.Duration
	at   time.Time
}

func newFlock(missingAfter time.Duration) *flock {
	return &flock{metrics: newMetrics(), missingAfter: missingAfter, instances: map[string]*instance{}}
}

// follow takes over what the flock of the graph before knows. Its counters go on by themselves.
func (f *flock) follow(before *flock) {
	before.mu.Lock()
	defer before.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, i := range before.instances {
		f.instances[name] = &instance{runs: i.runs, last: i.last, own: f.of(name)}
	}
	clear(before.instances)
}

func (f *flock) saw(s sighting) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.instances[s.instance]
	if i == nil {
		if len(f.instances) >= maxInstances {
			f.sweepLocked(s.at)
		}
		if len(f.instances) >= maxInstances {
			f.ignored.Inc()
			return
		}
		i = &instance{own: f.of(s.instance)}
		f.instances[s.instance] = i
	}
	i.last = s.at
	i.own.received.Inc()
	i.own.latency.Observe(max(s.took, 0).Seconds())
	for _, r := range i.runs {
		if r.id != s.run {
			continue
		}
		overdue := r.overdue(s.at.Add(-f.missingAfter))
		was, missing := r.saw(s.n, s.at)
		i.own.missing.Add(float64(overdue + missing))
		switch was {
		case duplicate:
			i.own.duplicate.Inc()
		case late:
			i.own.late.Inc()
		}
		return
	}
	if len(i.runs) == maxRuns {
		i.own.missing.Add(float64(i.runs[0].declare(len(i.runs[0].gaps))))
		i.runs = i.runs[1:]
	}
	i.runs = append(i.runs, newRun(s.run, s.n))
}

// sweepLocked counts what is overdue, and forgets instances that are gone.
func (f *flock) sweepLocked(now time.Time) {
	for name, i := range f.instances {
		for _, r := range i.runs {
			i.own.missing.Add(float64(r.overdue(now.Add(-f.missingAfter))))
		}
		if now.Sub(i.last) > gone {
			delete(f.instances, name)
			f.forget(name)
		}
	}
}

// Describe implements prometheus.Collector.
func (f *flock) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range f.collectors() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (f *flock) Collect(ch chan<- prometheus.Metric) {
	f.mu.Lock()
	f.sweepLocked(time.Now())
	f.mu.Unlock()
	for _, c := range f.collectors() {
		c.Collect(ch)
	}
}
