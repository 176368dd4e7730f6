package kube

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// Objects are the metadata of objects of a kind, found by name. In a process that looks at one node they are fetched one by
// one, when they are first asked for, because a namespace or an owner has no node to select by; else they are watched.
type Objects struct {
	user    *User
	kind    Kind
	watch   *Watch // nil: one by one
	then    func(*metav1.PartialObjectMetadata)
	version atomic.Uint64

	mu      sync.Mutex
	fetched map[objectName]*fetched
	pending int // first attempts that have no answer yet
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	ask     chan objectName
	handler cache.ResourceEventHandlerRegistration
	on      cache.SharedIndexInformer
	failing failure
	refresh time.Duration // refreshAfter, but in tests
}

type objectName struct{ namespace, name string }

// fetched is what is known of an object.
type fetched struct {
	metadata *metav1.PartialObjectMetadata // nil: it is not there, or not known yet
	answered bool
	used     time.Time
	at       time.Time // of the last answer
	asked    bool      // again, out of turn
}

const (
	// refreshAfter is how old a fetched object may be, in use: a label that changed is seen after it.
	refreshAfter = 5 * time.Minute
	// retryAfter is the pause after an answer that the object is not there, or that there is no right.
	retryAfter = 30 * time.Second
	// unusedAfter is when an object that nobody asks for is forgotten, in refreshes.
	unusedAfter = 3
	// renewAfter is how old a fetched object may be when another uid is expected of it.
	renewAfter = 2 * time.Second
	// mostAsked bounds the names that wait for their first answer.
	mostAsked = 1024
)

// Objects returns the metadata of a kind's objects: all of the namespace (empty: of all namespaces), watched, or oneByOne. Call
// it when the component is made.
func (u *User) Objects(want Want, oneByOne bool) *Objects {
	o := &Objects{user: u, kind: want.Kind, refresh: refreshAfter}
	if oneByOne {
		o.fetched, o.ask = map[objectName]*fetched{}, make(chan objectName, mostAsked)
	} else {
		want.Need = Identity
		o.watch = u.Reserve(want)
	}
	return o
}

// Then is called with each object that was fetched, before it counts as answered: it may ask for what the object names. Set it
// before Start.
func (o *Objects) Then(f func(*metav1.PartialObjectMetadata)) { o.then = f }

// Start begins to fetch; call it after the user's Start.
func (o *Objects) Start() {
	if o.watch == nil {
		ctx, cancel := context.WithCancel(context.Background())
		o.cancel = cancel
		o.tasks.Go(func() { o.fetchAll(ctx) })
		return
	}
	o.on = o.watch.Informer()
	if o.on == nil {
		return
	}
	o.handler, _ = o.on.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { o.version.Add(1) },
		DeleteFunc: func(any) { o.version.Add(1) },
		UpdateFunc: func(was, is any) {
			if !sameMetadata(metadataOf(was), metadataOf(is)) {
				o.version.Add(1)
			}
		},
	})
}

// Close ends what Start began; call it before the user's Close.
func (o *Objects) Close() {
	if o.cancel != nil {
		o.cancel()
	}
	o.tasks.Wait()
	if o.handler != nil {
		_ = o.on.RemoveEventHandler(o.handler)
	}
}

// Version rises when labels, annotations, an owner or the uid of an object changed; and where objects are fetched one by one from time to
// time, so that who keeps what he made of them asks again: what nobody asks for is not fetched any more.
func (o *Objects) Version() uint64 { return o.version.Load() }

// Synced reports whether the first list is there, or every object that was asked for has an answer.
func (o *Objects) Synced() bool {
	if o.watch != nil {
		return o.handler != nil && o.handler.HasSynced()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pending == 0
}

// Get returns an object's metadata, or nil while it is not known. It never waits.
func (o *Objects) Get(namespace, name string) *metav1.PartialObjectMetadata {
	if name == "" {
		return nil
	}
	if o.watch != nil {
		if o.on == nil {
			return nil
		}
		key := name
		if namespace != "" {
			key = namespace + "/" + name
		}
		found, _, _ := o.on.GetStore().GetByKey(key)
		return metadataOf(found)
	}
	id := objectName{namespace, name}
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.fetched[id]
	if f == nil {
		select {
		case o.ask <- id:
			f = &fetched{}
			o.fetched[id] = f
			o.pending++
		default:
			return nil // too many at once: asked for again with the next record
		}
	}
	f.used = time.Now()
	return f.metadata
}

// GetUID is Get for who knows the uid: an object of another one is not the one, and is fetched again soon.
func (o *Objects) GetUID(namespace, name, uid string) *metav1.PartialObjectMetadata {
	m := o.Get(namespace, name)
	if m != nil && string(m.UID) == uid {
		return m
	}
	if o.watch != nil {
		return nil
	}
	id := objectName{namespace, name}
	o.mu.Lock()
	defer o.mu.Unlock()
	if f := o.fetched[id]; f != nil && f.answered && !f.asked && time.Since(f.at) > renewAfter {
		select {
		case o.ask <- id:
			f.asked = true
		default:
		}
	}
	return nil
}

func metadataOf(o any) *metav1.PartialObjectMetadata {
	if o == nil {
		return nil
	}
	m, _ := identityOfAny(o).(*metav1.PartialObjectMetadata)
	return m
}

// sameMetadata reports whether what attributes are made of is the same.
func sameMetadata(a, b *metav1.PartialObjectMetadata) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.UID == b.UID && maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations) &&
		slices.EqualFunc(a.OwnerReferences, b.OwnerReferences, func(x, y metav1.OwnerReference) bool { return x.UID == y.UID })
}

// fetchAll asks for what is new at once, and for the rest again when it is old.
func (o *Objects) fetchAll(ctx context.Context) {
	due := map[objectName]time.Time{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	asked := time.NewTicker(o.refresh)
	defer asked.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked.C:
			o.version.Add(1)
		case id := <-o.ask:
			due[id] = time.Now().Add(o.fetch(ctx, id))
		case now := <-tick.C:
			for id, at := range due {
				if now.Before(at) || ctx.Err() != nil {
					continue
				}
				if o.unused(id, now) {
					delete(due, id)
					continue
				}
				due[id] = time.Now().Add(o.fetch(ctx, id))
			}
		}
	}
}

func (o *Objects) unused(id objectName, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Sub(o.fetched[id].used) < unusedAfter*o.refresh {
		return false
	}
	delete(o.fetched, id)
	return true
}

// fetch asks for an object and returns when to ask again. A failure keeps what was known.
func (o *Objects) fetch(ctx context.Context, id objectName) (again time.Duration) {
	again = o.refresh
	into := o.kind.object()
	client, err := o.user.cluster.lockedClient(o.kind)
	if err == nil {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		err = client.Get().NamespaceIfScoped(id.namespace, id.namespace != "").Resource(o.kind.resource).Name(id.name).Do(attempt).Into(into)
		cancel()
	}
	if ctx.Err() != nil {
		return again
	}
	var found *metav1.PartialObjectMetadata
	keep := false
	switch {
	case err == nil:
		found = metadataOf(into)
		if a := found.Annotations; a[lastApplied] != "" {
			delete(a, lastApplied)
		}
		o.failing.said = ""
		if o.then != nil {
			o.then(found)
		}
	case apierrors.IsNotFound(err):
		again = retryAfter
	default:
		again, keep = retryAfter, true
		if reason := o.failing.of(err, ""); reason != "" {
			o.user.feature.Log.LogAttrs(ctx, slog.LevelWarn, reason, slog.String("feature", o.user.feature.Name),
				slog.String("resource", o.kind.String()), slog.String("error", err.Error()))
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.fetched[id]
	f.at, f.asked = time.Now(), false
	if !f.answered {
		f.answered = true
		o.pending--
	}
	if !keep && !sameMetadata(f.metadata, found) {
		f.metadata = found
		o.version.Add(1)
	}
	return again
}
