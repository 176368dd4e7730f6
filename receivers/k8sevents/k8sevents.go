// Package k8sevents is the receiver of Kubernetes events. It follows each namespace by a list and a watch of its own, because an informer
// hides what came twice or was missed; what was delivered is noted by its version, in a file or in the Lease of the leader.
package k8sevents

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/election"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/elected"
	"github.com/sluiceio/sluice/pipeline/source"
)

// Receiver has a goroutine for each namespace while this process leads.
type Receiver struct {
	settings  pipeline.Settings
	cfg       *Config
	next      pipeline.Sink
	user      *kube.User
	client    *kube.Client
	submitter *source.Submitter
	metrics   metrics
	positions elected.Positions
	writer    writer

	elector *election.Elector // nil: this process reads always
	life    context.Context
	end     context.CancelFunc
	loops   sync.WaitGroup
}

// New makes the receiver; nothing is asked before Start.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (any, error) {
	r := &Receiver{settings: s, cfg: cfg, next: out.For(pipeline.Logs), writer: newWriter(s.Version)}
	refused := r.metrics.register(s.Metrics)
	r.submitter = source.NewSubmitter(s, r.next, refused)
	r.life, r.end = context.WithCancel(context.Background())
	var err error
	if r.user, err = kube.Use(cfg.Access, r.feature()); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Receiver) feature() kube.Feature {
	return kube.Feature{Name: r.settings.ID.String(), Log: r.settings.Log, Version: r.settings.Version}
}

// Start joins the election, or begins to read.
func (r *Receiver) Start(ctx context.Context) error {
	if r.next == nil {
		return nil
	}
	if err := r.user.Start(ctx); err != nil {
		return err
	}
	var err error
	if r.client, err = r.user.Client(kube.Events); err != nil {
		return err
	}
	if r.elector, err = elected.Join(ctx, r.settings, r.cfg.K8sLeaderElector); err != nil {
		return err
	}
	if err := r.positions.Open(r.settings, r.elector, "sluice.io/events-"); err != nil {
		return errors.Join(err, r.Stop(ctx))
	}
	r.loops.Go(func() { r.positions.Keep(r.life) })
	r.loops.Go(r.follow)
	return nil
}

// follow reads while this process leads.
func (r *Receiver) follow() {
	elected.While(r.life, r.elector, func(ctx context.Context) {
		r.metrics.leader.Set(1)
		r.lead(ctx)
		r.metrics.leader.Set(0)
	})
}

// lead reads all namespaces until ctx ends.
func (r *Receiver) lead(ctx context.Context) {
	namespaces := r.cfg.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	var all sync.WaitGroup
	for _, namespace := range namespaces {
		all.Go(func() { r.read(ctx, namespace) })
	}
	all.Wait()
}

// Stop ends reading; what was not answered is read again by the next start, or by the next leader.
func (r *Receiver) Stop(context.Context) error {
	r.end()
	r.loops.Wait()
	if r.elector != nil {
		r.elector.Leave()
	}
	r.positions.Close()
	r.user.Close()
	return nil
}

// stopWait bounds what a stop waits for.
const stopWait = 2 * time.Second
