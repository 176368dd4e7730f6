package kube

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

// keptAfterDeletion is how long a deleted pod is still found: what it wrote is read and sent later. keptDeleted bounds how many.
const (
	keptAfterDeletion = 10 * time.Minute
	keptDeleted       = 2048
)

// Index finds the pods of a watch by uid, address, container id and name.
type Index struct {
	informer cache.SharedIndexInformer
	handler  cache.ResourceEventHandlerRegistration

	mu      sync.RWMutex
	uids    map[string]*Entry
	hashes  map[string]*Entry // static pods, by the uid in the paths of their logs
	ips     map[string]*Entry // the one that started last
	ids     map[string]*Entry // by container
	names   map[string]*Entry // namespace/name: the newest
	deleted []*Entry          // oldest first
	changed chan struct{}     // closed and replaced at each change that could make an unknown pod known
	version atomic.Uint64     // rises with each change
}

// Entry is a pod of an index.
type Entry struct {
	// Revision changes with whatever is known of the pod; what was computed from an older one is stale. It is unique among all
	// entries that ever were.
	Revision atomic.Uint64
	pod      atomic.Pointer[Pod]
	gone     atomic.Bool
	deleted  time.Time // zero while it exists; guarded by the index
}

// Pod is what is known now.
func (e *Entry) Pod() *Pod { return e.pod.Load() }

// Deleted reports whether the pod does not exist any more: its address may be another one's that is not known yet.
func (e *Entry) Deleted() bool { return e.gone.Load() }

var revisions atomic.Uint64

// Touch makes what was computed from the entry stale: its node or namespace changed.
func (e *Entry) Touch() { e.Revision.Store(revisions.Add(1)) }

func newIndex(informer cache.SharedIndexInformer) (*Index, error) {
	i := &Index{
		informer: informer, uids: map[string]*Entry{}, hashes: map[string]*Entry{}, ips: map[string]*Entry{},
		ids: map[string]*Entry{}, names: map[string]*Entry{},
		changed: make(chan struct{}),
	}
	handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    i.put,
		UpdateFunc: i.update,
		DeleteFunc: i.remove,
	})
	i.handler = handler
	return i, err
}

func (i *Index) close() { _ = i.informer.RemoveEventHandler(i.handler) }

// Synced reports whether the pods of the first list are all there: what is not found then is unknown to the API server.
func (i *Index) Synced() bool { return i.handler.HasSynced() }

// Changed is closed when a pod came or changed. Take it before looking, to wait for what is unknown.
func (i *Index) Changed() <-chan struct{} {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.changed
}

// Version rises with each change: what was not found at a version is not there while the version is the same.
func (i *Index) Version() uint64 { return i.version.Load() }

// ByUID finds a pod by its uid; a static one also by the hash in the paths of its logs.
func (i *Index) ByUID(uid string) *Entry {
	if e := find(i, i.uids, uid); e != nil {
		return e
	}
	return find(i, i.hashes, uid)
}

// ByIP finds the pod that has the address, or had it last; never one of the host's network.
func (i *Index) ByIP(ip string) *Entry { return find(i, i.ips, ip) }

// ByContainer finds a pod by the id of one of its containers, without "containerd://".
func (i *Index) ByContainer(id string) *Entry { return find(i, i.ids, id) }

// ByName finds the newest pod of the name.
func (i *Index) ByName(namespace, name string) *Entry { return find(i, i.names, namespace+"/"+name) }

func find(i *Index, in map[string]*Entry, key string) *Entry {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return in[key]
}

// Range calls f for each pod that exists, until it returns false.
func (i *Index) Range(f func(*Entry) bool) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	for _, e := range i.uids {
		if e.deleted.IsZero() && !f(e) {
			return
		}
	}
}

// update is called with another pod of the name where a list shows it and the deletion was missed.
func (i *Index) update(was, is any) {
	if uidOf(was) != uidOf(is) {
		i.remove(was)
	}
	i.put(is)
}

func (i *Index) put(o any) {
	p := PodOf(o)
	if p == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	e := i.uids[p.UID]
	if e == nil {
		e = &Entry{}
	} else {
		i.unlink(e)
		if !e.deleted.IsZero() { // it left what the selectors choose, and came back
			e.deleted = time.Time{}
			e.gone.Store(false)
			i.deleted = slices.DeleteFunc(i.deleted, func(d *Entry) bool { return d == e })
		}
	}
	e.pod.Store(p)
	e.Touch()
	i.link(e, p)
	i.forget(time.Now())
	i.version.Add(1)
	close(i.changed)
	i.changed = make(chan struct{})
}

func (i *Index) remove(o any) {
	if t, is := o.(cache.DeletedFinalStateUnknown); is {
		o = t.Obj
	}
	uid := uidOf(o)
	i.mu.Lock()
	defer i.mu.Unlock()
	if e := i.uids[uid]; e != nil && e.deleted.IsZero() {
		e.deleted = time.Now()
		e.gone.Store(true)
		e.Touch()
		i.version.Add(1)
		i.deleted = append(i.deleted, e)
		i.forget(e.deleted)
	}
}

func uidOf(o any) string {
	switch o := o.(type) {
	case *Pod:
		return o.UID
	case *corev1.Pod:
		return string(o.UID)
	}
	return ""
}

// forget takes out what was deleted long ago; the caller has the lock.
func (i *Index) forget(now time.Time) {
	for len(i.deleted) > 0 && (len(i.deleted) > keptDeleted || now.Sub(i.deleted[0].deleted) > keptAfterDeletion) {
		e := i.deleted[0]
		i.deleted[0] = nil
		i.deleted = i.deleted[1:]
		i.unlink(e)
		e.Touch()
		i.version.Add(1)
	}
}

// keys are what a pod is found by.
type keys struct{ uids, hashes, ips, ids, names []string }

func keysOf(p *Pod) keys {
	k := keys{uids: []string{p.UID}, names: []string{p.Namespace + "/" + p.Name}}
	if !p.HostNetwork && !p.Ended {
		k.ips = p.IPs
	}
	if p.ConfigHash != "" {
		k.hashes = []string{p.ConfigHash}
	}
	for _, c := range p.Containers {
		if c.ID != "" {
			k.ids = append(k.ids, c.ID)
		}
		k.ids = append(k.ids, c.Earlier...)
	}
	return k
}

func (i *Index) link(e *Entry, p *Pod) {
	k := keysOf(p)
	put := func(in map[string]*Entry, keys []string) {
		for _, key := range keys {
			other := in[key]
			switch {
			case other == nil || other == e:
			case other.later(p):
				continue
			default:
				other.Touch() // an address or a name went over to this pod
			}
			in[key] = e
		}
	}
	put(i.uids, k.uids)
	put(i.hashes, k.hashes)
	put(i.ips, k.ips)
	put(i.ids, k.ids)
	put(i.names, k.names)
}

// later reports whether the pod of an entry began after p: what both say to have is its. A pod whose end is not known yet keeps its
// address at the API server, and is heard of again.
func (e *Entry) later(p *Pod) bool {
	o := e.Pod()
	if !o.Started.IsZero() && !p.Started.IsZero() && !o.Started.Equal(p.Started) {
		return o.Started.After(p.Started)
	}
	return o.Created.After(p.Created)
}

// unlink takes out the keys of an entry, unless another pod has them by now.
func (i *Index) unlink(e *Entry) {
	p := e.Pod()
	k := keysOf(p)
	drop := func(in map[string]*Entry, keys []string) {
		for _, key := range keys {
			if in[key] == e {
				delete(in, key)
			}
		}
	}
	drop(i.uids, k.uids)
	drop(i.hashes, k.hashes)
	drop(i.ips, k.ips)
	drop(i.names, k.names)
	drop(i.ids, k.ids)
}
