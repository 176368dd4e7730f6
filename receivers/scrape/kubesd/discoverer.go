package kubesd

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"k8s.io/client-go/tools/cache"

	"github.com/sluiceio/sluice/kube"
)

// discoverer runs Prometheus' builder of a role for each namespace.
type discoverer struct {
	config  *Config
	watches []*watches
	log     *slog.Logger
}

// Run implements discovery.Discoverer.
func (d *discoverer) Run(ctx context.Context, out chan<- []*targetgroup.Group) {
	var handlers lent
	defer handlers.giveBack()
	var running sync.WaitGroup
	for _, w := range d.watches {
		builder, err := d.builder(w, &handlers)
		if err != nil {
			if ctx.Err() == nil {
				d.log.Error("cannot discover targets in Kubernetes", "role", d.config.Role, "error", err)
			}
			continue
		}
		running.Go(func() { builder.Run(ctx, out) })
	}
	running.Wait()
}

// events are counted for nobody: package kube has the objects.
func events() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events"}, []string{"role", "event"})
}

func (d *discoverer) builder(w *watches, h *lent) (discovery.Discoverer, error) {
	log, n, attach := d.log, events(), d.config.AttachMetadata
	// A nil *borrowed in an interface would not be nil to the builders.
	maybe := func(w *kube.Watch) cache.SharedInformer {
		if w == nil {
			return nil
		}
		return h.borrow(w)
	}
	switch d.config.Role {
	case kubernetes.RolePod:
		return kubernetes.NewPod(log, h.borrow(w.pods), maybe(w.nodes), maybe(w.namespaces), maybe(w.replicaSets), maybe(w.jobs),
			attach.Deployment, attach.Job, attach.CronJob, n), h.err
	case kubernetes.RoleNode:
		return kubernetes.NewNode(log, h.borrow(w.nodes), n), h.err
	case kubernetes.RoleService:
		return kubernetes.NewService(log, h.borrow(w.services), maybe(w.namespaces), n), h.err
	case kubernetes.RoleIngress:
		return kubernetes.NewIngress(log, h.borrow(w.ingresses), maybe(w.namespaces), n), h.err
	case kubernetes.RoleEndpoint:
		return kubernetes.NewEndpoints(log, h.borrow(w.endpoints), h.borrow(w.services), h.borrow(w.pods), maybe(w.nodes), maybe(w.namespaces),
			maybe(w.replicaSets), maybe(w.jobs), attach.Deployment, attach.Job, attach.CronJob, n), h.err
	case kubernetes.RoleEndpointSlice:
		return kubernetes.NewEndpointSlice(log, h.borrow(w.slices), h.borrow(w.services), h.borrow(w.pods), maybe(w.nodes), maybe(w.namespaces),
			maybe(w.replicaSets), maybe(w.jobs), attach.Deployment, attach.Job, attach.CronJob, n), h.err
	}
	return nil, errors.New("the role is not known")
}

// lent are the handlers that builders have added to informers, which outlive them.
type lent struct {
	mu  sync.Mutex
	all []*borrowed
	err error
}

func (l *lent) borrow(w *kube.Watch) cache.SharedIndexInformer {
	informer := w.Informer()
	if informer == nil { // the receiver has stopped meanwhile; one that never runs, as builders do not expect nil
		l.err = errors.New("the watch is not running")
		informer = cache.NewSharedIndexInformer(&cache.ListWatch{}, nil, 0, cache.Indexers{})
	}
	if err := addIndexers(informer); err != nil {
		l.err = err
	}
	b := &borrowed{SharedIndexInformer: informer}
	l.mu.Lock()
	l.all = append(l.all, b)
	l.mu.Unlock()
	return b
}

func (l *lent) giveBack() {
	for _, b := range l.all {
		for _, h := range b.handlers {
			_ = b.RemoveEventHandler(h)
		}
	}
}

// borrowed is an informer that remembers who was added to it.
type borrowed struct {
	cache.SharedIndexInformer
	handlers []cache.ResourceEventHandlerRegistration
}

func (b *borrowed) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	r, err := b.SharedIndexInformer.AddEventHandler(h)
	if err == nil {
		b.handlers = append(b.handlers, r)
	}
	return r, err
}
