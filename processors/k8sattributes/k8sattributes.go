// Package k8sattributes adds who a pod is to every resource: names, owners, labels and annotations as the Kubernetes API has
// them. Each resource is looked up once: what comes again is answered by its bytes, for as long as nothing of the pod changes.
package k8sattributes

import (
	"context"
	"errors"
	"time"

	"k8s.io/client-go/tools/cache"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Processor is the processor of one pipeline.
type Processor struct {
	config  *Config
	rules   *rules
	ways    ways
	metrics metrics
	next    pipeline.Sink

	user    *kube.User // nil in passthrough mode
	missing error      // what Start reports
	pods    *kube.Watch
	objects *objects
	index   *kube.Index
	handler cache.ResourceEventHandlerRegistration

	ready  chan struct{} // closed when the first list is there, or nobody waits for it any more
	cancel context.CancelFunc
	ended  chan struct{}

	results  results
	unknowns unknowns
}

// New makes the processor. It asks nothing of the network before Start.
func New(s pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	r, err := newRules(c)
	if err != nil {
		return nil, err
	}
	p := &Processor{config: c, rules: r, ways: newWays(c, r), metrics: newMetrics(), next: next, ready: make(chan struct{})}
	if err := errors.Join(s.Metrics.Register(p.metrics.unknown), s.Metrics.Register(p.metrics.waited)); err != nil {
		return nil, err
	}
	if c.Passthrough {
		close(p.ready)
		return p, nil
	}
	if p.user, err = kube.Use(c.Access, kube.Feature{Name: s.ID.String(), Log: s.Log, Metrics: s.Metrics, Series: "sluice_k8s", Version: s.Version}); err != nil {
		return nil, err
	}
	node, err := c.Filter.node()
	p.missing = err
	want := kube.Want{Kind: kube.Pods, Namespace: c.Filter.Namespace, Need: kube.Identity}
	if want.Labels, err = c.Filter.labels(); err != nil {
		return nil, err
	}
	if want.Fields, err = c.Filter.fields(node); err != nil {
		return nil, err
	}
	p.pods = p.user.Reserve(want)
	p.objects = newObjects(p.user, c, r, node)
	return p, nil
}

// Start begins the watches and does not wait for them.
func (p *Processor) Start(ctx context.Context) error {
	if p.user == nil {
		return nil
	}
	if p.missing != nil {
		return p.missing
	}
	if err := p.user.Start(ctx); err != nil {
		return err
	}
	for _, o := range p.objects.all {
		o.Start()
	}
	index, err := p.pods.Index()
	if err != nil {
		return err
	}
	p.index = index
	if p.handler, err = p.pods.Informer().AddEventHandler(p.objects.prefetch(p.rules)); err != nil {
		return err
	}
	waiting, cancel := context.WithCancel(context.Background())
	p.cancel, p.ended = cancel, make(chan struct{})
	go func() {
		defer close(p.ended)
		p.waitForLists(waiting)
		p.unknowns.begin()
		close(p.ready)
		p.keepObjects(waiting)
	}()
	return nil
}

// askObjects is less than what a fetched object may be unused.
const askObjects = 5 * time.Minute

func (p *Processor) keepObjects(ctx context.Context) {
	tick := time.NewTicker(askObjects)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.objects.askAll(p.rules, p.index)
		}
	}
}

// waitForLists returns when everything was listed once, the timeout has passed, or the processor stops.
func (p *Processor) waitForLists(ctx context.Context) {
	if !p.config.WaitForMetadata {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.config.WaitForMetadataTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !p.synced() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Processor) synced() bool {
	return p.index.Synced() && p.handler.HasSynced() && p.objects.synced()
}

// Stop ends the watches.
func (p *Processor) Stop(context.Context) error {
	if p.user == nil {
		return nil
	}
	if p.cancel != nil {
		p.cancel()
		<-p.ended
	}
	if p.handler != nil {
		_ = p.pods.Informer().RemoveEventHandler(p.handler)
	}
	for _, o := range p.objects.all {
		o.Close()
	}
	p.user.Close()
	return nil
}

// requests are the buffers of changed requests.
var requests buffer.Scratch

// Consume adds attributes to each resource and hands the batch on.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	select {
	case <-p.ready:
	default:
		select {
		case <-p.ready:
		case <-ctx.Done():
			return pipeline.Withdrawn(ctx)
		}
	}
	buf, key := requests.Get(), requests.Get()
	defer requests.Put(buf)
	defer requests.Put(key)
	pass := pass{processor: p, peer: peer(b.Origin), own: b.Origin.Peer == "", key: *key}
	if !p.ways.connection {
		pass.peer = ""
	}
	out, changed := wire.EditResources(*buf, b.Request, pass.edit)
	if pass.unknown != "" && !pass.own && p.config.Filter.oneNode() && p.unknowns.enter(pass.unknown) {
		var err error
		out, changed, err = p.wait(ctx, &pass, *buf, b.Request)
		p.unknowns.leave()
		if err != nil {
			return err
		}
	}
	*key = pass.key
	if late := pass.lateItems(b); late.Len() > 0 {
		return p.hold(ctx, b, late)
	}
	pass.count()
	if changed {
		*buf = out
		b.Request = out
	}
	return p.next.Consume(ctx, b)
}

// wait repeats the pass while pods are unknown and new ones come, for two seconds at most.
func (p *Processor) wait(ctx context.Context, pass *pass, buf []byte, r wire.Request) (out wire.Request, changed bool, err error) {
	p.metrics.waited.Inc()
	late := time.NewTimer(waitForPod)
	defer late.Stop()
	for {
		news := p.index.Changed()
		pass.unknown, pass.without = "", [reasons]uint32{}
		out, changed = wire.EditResources(buf, r, pass.edit)
		if pass.unknown == "" {
			return out, changed, nil
		}
		select {
		case <-news:
		case <-late.C:
			return out, changed, nil
		case <-ctx.Done():
			return nil, false, pipeline.Withdrawn(ctx)
		}
	}
}

var _ pipeline.Sink = (*Processor)(nil)
