// Package kubestate is the receiver that makes kube_* series of the objects of a Kubernetes cluster, with the names and labels of
// kube-state-metrics, so that its dashboards and alerts work unchanged.
//
// The objects are those of the process's own watches (package kube). At each interval they are walked, family by family, and
// the data points are written as they leave: no series is kept between two collections.
package kubestate

import (
	"context"
	"sync"
	"time"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/election"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/elected"
	"github.com/sluiceio/sluice/pipeline/source"
	"github.com/sluiceio/sluice/receivers/kubestate/series"
)

// Receiver makes the series of a cluster at an interval.
type Receiver struct {
	settings pipeline.Settings
	cfg      Config
	backlog  *source.Backlog
	user     *kube.User
	watched  []watched
	before   snapshot // of the last collection
	chunks   int      // of the last collection
	request  request
	metrics

	elector *election.Elector // nil: this process always runs
	opened  bool              // the watches are; of the loop alone

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// watched is a kind and its watches: one, or one a namespace.
type watched struct {
	kind    series.Kind
	watches []*kube.Watch
}

const estate = "objects of the last collection"

// New makes the receiver; it asks nothing of the network before Start.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (any, error) {
	r := &Receiver{settings: s, cfg: *cfg, request: newRequest(cfg.Job, cfg.Instance)}
	r.register(s.Metrics)
	var err error
	if r.user, err = kube.Use(cfg.Access, kube.Feature{Name: s.ID.String(), Log: s.Log, Metrics: s.Metrics, Series: "sluice_kube_state", Version: s.Version}); err != nil {
		return nil, err
	}
	for _, k := range cfg.kinds() {
		w := watched{kind: k}
		namespaces := cfg.Namespaces
		if len(namespaces) == 0 || !k.Kind.Namespaced() {
			namespaces = []string{""}
		}
		for _, n := range namespaces {
			w.watches = append(w.watches, r.user.Reserve(kube.Want{Kind: k.Kind, Namespace: n, Need: kube.State}))
		}
		r.watched = append(r.watched, w)
	}
	r.backlog = source.NewBacklog(s, out.For(pipeline.Metrics), pipeline.Metrics, cfg.BacklogBytes)
	return r, nil
}

// Start opens the watches and does not wait for them; with an election, when this process first leads.
func (r *Receiver) Start(ctx context.Context) error {
	elector, err := elected.Join(ctx, r.settings, r.cfg.K8sLeaderElector)
	if err != nil {
		return err
	}
	r.elector = elector
	if elector == nil {
		if err := r.user.Start(ctx); err != nil {
			return err
		}
		r.opened = true
	}
	r.before, _ = r.settings.Inherit(estate).(snapshot)
	if err := r.backlog.Start(ctx); err != nil {
		r.close()
		return err
	}
	ctx, r.cancel = context.WithCancel(context.Background())
	r.done.Go(func() { elected.While(ctx, elector, r.run) })
	return nil
}

// Stop delivers what waits until ctx ends. It sends no stale markers: the next process continues the series.
func (r *Receiver) Stop(ctx context.Context) error {
	if r.cancel == nil {
		return nil
	}
	r.cancel()
	r.done.Wait()
	r.settings.Leave(estate, r.before)
	r.close()
	return r.backlog.Stop(ctx)
}

func (r *Receiver) close() {
	if r.elector != nil {
		r.elector.Leave()
	}
	r.user.Close()
}

// firstLook is how often the receiver looks whether the first list is there.
const firstLook = 100 * time.Millisecond

// run collects until ctx ends. Watches that were opened once stay, also while another process leads.
func (r *Receiver) run(ctx context.Context) {
	if !r.opened {
		if err := r.user.Start(ctx); err != nil {
			r.settings.Log.Error("this process leads and cannot watch the cluster", "error", err)
			return
		}
		r.opened = true
	}
	r.leader.Set(1)
	defer r.leader.Set(0)
	if !r.wait(ctx) {
		return
	}
	tick := time.NewTicker(r.cfg.CollectionInterval)
	defer tick.Stop()
	for {
		r.collect(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// wait returns when all first lists are there, or after an interval if one is: what lacks a right never comes.
func (r *Receiver) wait(ctx context.Context) bool {
	tick := time.NewTicker(firstLook)
	defer tick.Stop()
	for begin := time.Now(); !r.user.Synced(); {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		if time.Since(begin) > r.cfg.CollectionInterval {
			return true
		}
	}
	return true
}

// collect makes a sample of every series.
func (r *Receiver) collect(ctx context.Context) {
	begin := time.Now()
	now := r.look()
	if len(now) == 0 {
		return // no list is there yet
	}
	w := &writer{request: &r.request, put: func(items int, b []byte) bool { return r.put(ctx, items, b) }}
	w.points.Time = uint64(begin.UnixNano())
	r.chunks = max(r.chunks, 1)
	chunks := 0
	w.pace = func() bool {
		chunks++
		return sleep(ctx, min(longestPause, r.cfg.CollectionInterval/2/time.Duration(r.chunks)))
	}
	complete := w.write(r.watched, r.before, now)
	if complete {
		r.chunks, r.before = chunks, now
		r.series.Set(float64(w.live))
	}
	r.collections.Inc()
}

// longestPause is between two chunks. Pauses let the pipeline take one before the next comes.
const longestPause = 100 * time.Millisecond

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (r *Receiver) put(ctx context.Context, items int, b []byte) bool {
	if ctx.Err() != nil {
		return false
	}
	r.backlog.Put(items, len(b), func(dst []byte) []byte { return append(dst, b...) })
	return true
}

var (
	_ pipeline.Starter = (*Receiver)(nil)
	_ pipeline.Stopper = (*Receiver)(nil)
)
