// Package scrape is the receiver prometheus: it finds and scrapes Prometheus targets and writes what they expose as
// OTLP metrics, with the names, labels, stale markers and synthetic series that Prometheus would store.
//
// A sample's way: discover.go hears of a target, job.go makes it one (relabelling, limits, sharding), loop.go
// scrapes it on time, fetch.go brings the body, package template patches the target's OTLP bytes with it, and the
// backlog of package pipeline/source delivers a copy without ever making a scrape wait.
package scrape

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"sync"
	"time"

	commonconfig "github.com/prometheus/common/config"
	promscrape "github.com/prometheus/prometheus/scrape"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/source"
	"github.com/sluiceio/sluice/receivers/scrape/promfile"
)

// ScopeName is the instrumentation scope of scraped metrics.
const ScopeName = "github.com/sluiceio/sluice/receivers/scrape"

// Receiver scrapes targets. It has one goroutine for discovery and one for each target, so that a slow target
// delays no other.
type Receiver struct {
	settings pipeline.Settings
	cfg      *Config
	loaded   *promfile.File
	metrics  *metrics
	out      *source.Backlog
	seed     uint64 // makes this host's scrapes of a target fall at other times than another host's

	jobs    map[string]*job
	orphans orphans
	buffers bufferPool
	dial    commonconfig.DialContextFunc
	gather  time.Duration // how long discovery collects before it tells

	ctx   context.Context // ends at Stop: nothing is scraped, and no target is gone because of it
	stop  context.CancelFunc
	loops sync.WaitGroup // discovery and the targets
}

// New makes a receiver; it makes no connection before Start.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (*Receiver, error) {
	return newReceiver(s, cfg, out, nil)
}

// newReceiver is New with the way to connect to targets; nil means TCP.
func newReceiver(s pipeline.Settings, cfg *Config, out pipeline.Outputs, dial commonconfig.DialContextFunc) (*Receiver, error) {
	if cfg.loaded == nil {
		if err := cfg.Validate(); err != nil {
			return nil, err
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot learn the host's name: %w", err)
	}
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, host, cfg.loaded.Global.ExternalLabels.String())
	r := &Receiver{settings: s, cfg: cfg, loaded: cfg.loaded, seed: h.Sum64(), jobs: map[string]*job{}, dial: dial, gather: 5 * time.Second}
	if cfg.DiscoveryReloadOnStartup {
		r.gather = 250 * time.Millisecond
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	if next := out.For(pipeline.Metrics); next != nil {
		r.out = source.NewBacklog(s, next, pipeline.Metrics, cfg.BacklogBytes)
	}
	for _, c := range cfg.loaded.Jobs {
		j, err := newJob(r, c)
		if err != nil {
			return nil, err
		}
		r.jobs[c.JobName] = j
	}
	r.metrics = newMetrics(r)
	return r, nil
}

// Start begins to discover and to scrape. What can fail comes first: the engine does not stop what did not start.
func (r *Receiver) Start(ctx context.Context) error {
	if r.out == nil {
		return nil
	}
	m, err := r.manager()
	if err == nil {
		err = r.out.Start(ctx)
	}
	if err != nil {
		r.stop() // and with it what the manager may have begun
		return err
	}
	if e, is := r.settings.Inherit("targets").(estate); is {
		r.adopt(e)
	}
	r.discover(m)
	return nil
}

// Stop ends scraping at once, without stale markers: as in Prometheus, who stops is expected to come back. The receiver
// that a reload starts goes on with the same targets. Stop waits for what was scraped to be delivered.
func (r *Receiver) Stop(ctx context.Context) error {
	r.stop()
	r.loops.Wait()
	r.settings.Leave("targets", r.leave())
	for _, j := range r.jobs {
		j.client.CloseIdleConnections()
	}
	if r.out == nil {
		return nil
	}
	return r.out.Stop(ctx)
}

// Targets are the targets of each job as Prometheus' API shows them, and how many relabel_configs dropped.
func (r *Receiver) Targets() (active map[string][]*promscrape.Target, dropped map[string]int) {
	active, dropped = map[string][]*promscrape.Target{}, map[string]int{}
	for name, j := range r.jobs {
		active[name] = j.active()
		_, dropped[name], _ = j.census()
	}
	return active, dropped
}

var (
	_ pipeline.Starter = (*Receiver)(nil)
	_ pipeline.Stopper = (*Receiver)(nil)
)
