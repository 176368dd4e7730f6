// Package scrape is the receiver prometheus: it discovers and scrapes Prometheus targets and writes OTLP metrics with the
// names, labels, stale markers and synthetic series that Prometheus would store.
//
// discover.go finds targets, job.go applies relabelling and limits, loop.go schedules scrapes, fetch.go gets the body,
// package template patches it into the target's OTLP bytes, and the backlog of package pipeline/source delivers without
// blocking scrapes.
package scrape

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"sync"
	"time"

	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/discovery"
	promscrape "github.com/prometheus/prometheus/scrape"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/source"
	"github.com/sluiceio/sluice/receivers/scrape/kubesd"
	"github.com/sluiceio/sluice/receivers/scrape/promfile"
)

// ScopeName is the instrumentation scope of scraped metrics.
const ScopeName = "github.com/sluiceio/sluice/receivers/scrape"

// Receiver has one goroutine for discovery and one per target, so that a slow target delays no other.
type Receiver struct {
	settings pipeline.Settings
	cfg      *Config
	loaded   *promfile.File
	metrics  *metrics
	out      *source.Backlog
	seed     uint64 // spreads the scrapes of a target by different hosts over time

	jobs    map[string]*job
	kube    *kubesd.Reservation
	orphans orphans
	buffers bufferPool
	dial    commonconfig.DialContextFunc
	gather  time.Duration // how long discovery collects before its first update

	ctx   context.Context // canceled by Stop: no more scrapes, but targets are not gone
	stop  context.CancelFunc
	loops sync.WaitGroup // discovery and the targets
}

// New makes a receiver; it connects to nothing before Start.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (*Receiver, error) {
	return newReceiver(s, cfg, out, nil)
}

// slotMax is the longest that a scrape waits for those of other targets.
const slotMax = time.Second

// slot is how long a scrape waits for those of other targets, to be sent with them: a tenth of the shortest interval.
func slot(f *promfile.File) time.Duration {
	d := slotMax
	for _, j := range f.Jobs {
		d = min(d, time.Duration(j.ScrapeInterval)/10)
	}
	return d
}

// newReceiver is New with a dialer for targets; nil means TCP.
func newReceiver(s pipeline.Settings, cfg *Config, out pipeline.Outputs, dial commonconfig.DialContextFunc) (*Receiver, error) {
	if cfg.loaded == nil {
		if err := cfg.Validate(); err != nil {
			return nil, err
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot get the host name: %w", err)
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
		r.out.Gather(slot(cfg.loaded))
	}
	for _, c := range cfg.loaded.Jobs {
		j, err := newJob(r, c)
		if err != nil {
			return nil, err
		}
		r.jobs[c.JobName] = j
	}
	r.metrics = newMetrics(r)
	r.kube, err = kubesd.Reserve(r.discoveries(), kube.Feature{Name: "kubernetes_sd_configs", Log: s.Log, Metrics: s.Metrics, Version: s.Version})
	return r, err
}

// Start does first what can fail: the engine does not stop what failed to start.
func (r *Receiver) Start(ctx context.Context) error {
	if r.out == nil {
		return nil
	}
	err := r.cfg.Kubelet.Missing()
	if err == nil {
		err = r.kube.Start(ctx)
	}
	var m *discovery.Manager
	if err == nil {
		m, err = r.manager()
	}
	if err == nil {
		err = r.out.Start(ctx)
	}
	if err != nil {
		r.kube.Close()
		r.stop() // also stops what the manager may have started
		return err
	}
	if e, is := r.settings.Inherit("targets").(estate); is {
		r.adopt(e)
	}
	groups, _ := r.settings.Inherit("groups").(map[string]found)
	r.adoptGroups(groups)
	r.discover(m)
	return nil
}

// Stop writes no stale markers: as in Prometheus, the process is expected to come back, and a reload continues the same
// targets. It waits for delivery of what was scraped.
func (r *Receiver) Stop(ctx context.Context) error {
	r.stop()
	r.loops.Wait()
	r.kube.Close()
	r.settings.Leave("targets", r.leave())
	r.settings.Leave("groups", r.leaveGroups())
	for _, j := range r.jobs {
		j.client.CloseIdleConnections()
	}
	if r.out == nil {
		return nil
	}
	return r.out.Stop(ctx)
}

// Targets returns each job's targets for Prometheus' API, and how many relabel_configs dropped.
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
