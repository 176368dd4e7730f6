package kubesd

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/prometheus/discovery/targetgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/sluiceio/sluice/kube"
)

// A builder makes the groups of one entry and namespace: one for each object of its role. It remembers which other objects each
// group was made of, so that a change of one rebuilds the groups that it is in, and no other.
type builder struct {
	config  *Config
	watches *watches
	log     *slog.Logger
	role    role
	stores  [kinds]cache.Store // of what is watched; nil where it is not

	// Of the goroutine that builds:
	names   names
	now     string // the group that is being built
	turn    uint64 // rises with each group that is built
	used    map[string][]object
	own     *ownPods // nil unless services are answered from the own node's pods
	late    bool     // the group lacks an object that is being fetched
	waiting bool     // a group was late since the last look

	mu    sync.Mutex
	due   map[string]struct{} // groups to build
	order []string            // the same, oldest first
	wake  chan struct{}
	users map[object]map[string]uint64 // the groups that an object, present or not, is in, and the turn that used it last
}

// What is fetched one by one tells nobody that it came: it is looked at again, often while a group waits for it.
const lookSoon, lookLater = 100 * time.Millisecond, 10 * time.Second

// role is how the objects of a role become groups.
type role struct {
	main  kind
	label string // what the source begins with
	build func(o any) *targetgroup.Group
}

// kind is what an object is to a builder.
type kind uint8

const (
	onPod kind = iota
	onNode
	onService
	onEndpoints
	onSlice
	onIngress
	onNamespace
	onReplicaSet
	onJob
	kinds
)

// object names an object, as informers have it: "namespace/name" or "name".
type object struct {
	kind kind
	key  string
}

func newBuilder(c *Config, w *watches, log *slog.Logger) *builder {
	b := &builder{
		config: c, watches: w, log: log.With("role", string(c.Role)), names: names{}, used: map[string][]object{},
		due: map[string]struct{}{}, wake: make(chan struct{}, 1), users: map[object]map[string]uint64{},
	}
	label := map[Role]string{RolePod: "pod/", RoleNode: "node/", RoleService: "svc/", RoleEndpoints: "endpoints/", RoleEndpointSlice: "endpointslice/", RoleIngress: "ingress/"}[c.Role]
	switch c.Role {
	case RolePod:
		b.role = role{onPod, label, b.pod}
	case RoleNode:
		b.role = role{onNode, label, b.nodeTarget}
	case RoleService:
		b.role = role{onService, label, b.service}
	case RoleEndpoints:
		b.role = role{onEndpoints, label, b.endpoints}
	case RoleEndpointSlice:
		b.role = role{onSlice, label, b.slice}
	case RoleIngress:
		b.role = role{onIngress, label, b.ingress}
	}
	if w.services != nil && bool(c.OwnNode) {
		b.own = &ownPods{shown: map[string]struct{}{}}
		b.role = role{onService, label, b.chosen}
	}
	return b
}

func (w *watches) of(k kind) *kube.Watch {
	return [kinds]*kube.Watch{
		onPod: w.pods, onNode: w.nodes, onService: w.services, onEndpoints: w.endpoints, onSlice: w.slices, onIngress: w.ingresses,
		onNamespace: w.namespaces, onReplicaSet: w.replicaSets, onJob: w.jobs,
	}[k]
}

// run builds until the end of ctx. Nothing is sent before all watches have their first list.
func (b *builder) run(ctx context.Context, out chan<- []*targetgroup.Group) {
	var synced []cache.InformerSynced
	var informers [kinds]cache.SharedIndexInformer
	for k := range kinds {
		w := b.watches.of(k)
		if w == nil {
			continue
		}
		informer := w.Informer()
		if informer == nil { // the receiver has stopped meanwhile
			return
		}
		b.stores[k] = informer.GetStore()
		informers[k] = informer
	}
	for k, informer := range informers {
		if informer == nil {
			continue
		}
		h, err := informer.AddEventHandler(b.handler(kind(k)))
		if err != nil {
			if ctx.Err() == nil {
				b.log.Error("cannot discover targets in Kubernetes", "error", err)
			}
			return
		}
		defer func() { _ = informer.RemoveEventHandler(h) }()
		synced = append(synced, h.HasSynced)
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return
	}
	look := time.NewTimer(lookLater)
	defer look.Stop()
	if b.watches.fetched == nil {
		look.Stop()
	}
	soon := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			soon = false
			b.lookAgain()
			look.Reset(lookLater)
		case <-b.wake:
		}
		for keys := b.take(); len(keys) > 0; keys = b.take() {
			groups := make([]*targetgroup.Group, 0, len(keys))
			for _, key := range keys {
				if g := b.group(key); g != nil {
					groups = append(groups, g)
				}
			}
			if len(groups) == 0 {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case out <- groups:
			}
		}
		if b.waiting && !soon {
			soon = true
			look.Reset(lookSoon)
		}
	}
}

// mostGroups are sent at once.
const mostGroups = 256

func (b *builder) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.order), mostGroups)
	keys := b.order[:n:n]
	if b.order = b.order[n:]; len(b.order) == 0 {
		b.order = nil
	}
	for _, key := range keys {
		delete(b.due, key)
	}
	return keys
}

// group builds the group of an object of the role; one without targets if the object is gone.
func (b *builder) group(key string) *targetgroup.Group {
	was := b.used[key]
	b.now, b.used[key] = key, nil
	b.turn++
	b.late = false
	g := &targetgroup.Group{Source: b.role.label + key}
	if o := b.stored(b.role.main, key); o != nil {
		g = b.role.build(o)
	}
	if len(b.used[key]) == 0 {
		delete(b.used, key)
	}
	b.forget(was)
	switch {
	case b.late: // it is built again when what is fetched is there
		b.waiting = true
		return nil
	case b.own != nil && !b.own.show(key, g):
		return nil
	}
	return g
}

// forget takes the group from the objects that it was made of before, and is not now.
func (b *builder) forget(was []object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range was {
		if groups := b.users[o]; groups[b.now] != b.turn {
			if delete(groups, b.now); len(groups) == 0 {
				delete(b.users, o)
			}
		}
	}
}

// get returns an object that the group is made of, or nil. The use is noted first, so that no change between is missed.
func (b *builder) get(k kind, key string) any {
	b.uses(object{k, key})
	return b.stored(k, key)
}

func (b *builder) uses(o object) {
	b.mu.Lock()
	groups := b.users[o]
	if groups == nil {
		groups = map[string]uint64{}
		b.users[o] = groups
	}
	noted := groups[b.now] == b.turn
	groups[b.now] = b.turn
	b.mu.Unlock()
	if !noted {
		b.used[b.now] = append(b.used[b.now], o)
	}
}

func (b *builder) stored(k kind, key string) any {
	if b.stores[k] == nil {
		return nil
	}
	o, _, _ := b.stores[k].GetByKey(key)
	return o
}

// handler notes what changes: events come before the first list is complete too.
func (b *builder) handler(k kind) cache.ResourceEventHandler {
	if k == onPod && b.own != nil {
		return b.ownHandler()
	}
	note := func(o any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(o); err == nil {
			b.changed(object{k, key})
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: note, DeleteFunc: note,
		UpdateFunc: func(was, is any) {
			if !same(was, is, k == b.role.main) {
				note(is)
			}
		},
	}
}

func (b *builder) changed(o object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o.kind == b.role.main {
		b.enqueue(o.key)
	}
	for key := range b.users[o] {
		b.enqueue(key)
	}
}

// enqueue wants the lock.
func (b *builder) enqueue(key string) {
	if _, is := b.due[key]; is {
		return
	}
	b.due[key] = struct{}{}
	b.order = append(b.order, key)
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// same reports whether a change of an object changes no target: a heartbeat, say. Of what is only attached, metadata counts.
func same(was, is any, main bool) bool {
	switch is := is.(type) {
	case *corev1.Pod:
		was, ok := was.(*corev1.Pod)
		return ok && samePod(was, is)
	case *kube.Service:
		was, ok := was.(*kube.Service)
		return ok && was.Same(is)
	case *corev1.Service:
		was, ok := was.(*corev1.Service)
		return ok && sameMetadata(was, is) && reflect.DeepEqual(was.Spec, is.Spec)
	case *corev1.Node:
		was, ok := was.(*corev1.Node)
		return ok && sameMetadata(was, is) && (!main || was.Spec.ProviderID == is.Spec.ProviderID && reflect.DeepEqual(was.Status, is.Status))
	case metav1.Object:
		was, ok := was.(metav1.Object)
		return ok && !main && sameMetadata(was, is)
	}
	return false
}
