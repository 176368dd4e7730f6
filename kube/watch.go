package kube

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"weak"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/sluiceio/sluice/kube/steady"
)

// Want is what a component watches.
type Want struct {
	Kind      Kind
	Namespace string // empty: all
	Labels    string // a label selector
	Fields    string // a field selector
	Need      Need   // what of an object is kept
}

// same reports whether one watch serves both.
func (w Want) same(o Want) bool {
	return w.Kind.String() == o.Kind.String() && w.Namespace == o.Namespace && w.Labels == o.Labels && w.Fields == o.Fields
}

// Watch is a component's share of a watch.
type Watch struct {
	user *User
	want Want
	on   *shared // nil until the user's Start and after its Close; guarded by the cluster's lock
}

// shared is a running watch and who uses it.
type shared struct {
	want     Want // with what all need
	informer cache.SharedIndexInformer
	users    []*Watch
	index    *Index // nil until someone asks; of pods
	stop     context.CancelFunc
	ended    chan struct{}
	failing  *failure
}

// Informer returns the informer; its objects have what the reservation needs, or more. Call it after Start. Remove
// the handlers that were added when the component stops: the informer may outlive it.
func (w *Watch) Informer() cache.SharedIndexInformer { return w.informer() }

// Index returns the index of a watch of pods, which all users of the watch share. Call it after Start.
func (w *Watch) Index() (*Index, error) {
	c := w.user.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.on == nil || w.want.Kind.String() != Pods.String() {
		return nil, errors.New("no watch of pods is running")
	}
	if w.on.index == nil {
		index, err := newIndex(w.on.informer)
		if err != nil {
			return nil, err
		}
		w.on.index = index
	}
	return w.on.index, nil
}

func (w *Watch) informer() cache.SharedIndexInformer {
	if s := w.shared(); s != nil {
		return s.informer
	}
	return nil
}

func (w *Watch) shared() *shared {
	c := w.user.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	return w.on
}

func (c *cluster) reserve(w *Watch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reserved[weak.Make(w)] = struct{}{}
}

// open gives the watch its informer: a running one that keeps enough, else a new one that keeps what all reservations
// need. The users of a running one that keeps too little stay with it until they end.
func (c *cluster) open(w *Watch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.on != nil {
		return nil
	}
	for _, s := range c.shared {
		if s.want.same(w.want) && s.want.Need&w.want.Need == w.want.Need {
			s.users = append(s.users, w)
			w.on = s
			return nil
		}
	}
	want := w.want
	for p := range c.reserved {
		switch r := p.Value(); {
		case r == nil:
			delete(c.reserved, p)
		case r.want.same(want):
			want.Need |= r.want.Need
		}
	}
	client, err := c.client(want.Kind)
	if err != nil {
		return err
	}
	s := &shared{want: want, users: []*Watch{w}, ended: make(chan struct{}), failing: &failure{}}
	trim := trimmer(want)
	s.informer = cache.NewSharedIndexInformerWithOptions(listWatch(client, want, trim, func(err error) { c.failed(s, err) }), want.Kind.object(), cache.SharedIndexInformerOptions{
		Indexers:          cache.Indexers{}, // users add theirs; nil would not take any
		ObjectDescription: want.Kind.String(),
	})
	if err := errors.Join(s.informer.SetTransform(trim), s.informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		c.failed(s, err)
	})); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.ended)
		s.informer.RunWithContext(ctx)
	}()
	c.shared = append(c.shared, s)
	w.on = s
	return nil
}

// release ends the watch if nobody else uses it.
func (c *cluster) release(w *Watch) {
	c.mu.Lock()
	delete(c.reserved, weak.Make(w))
	s := w.on
	w.on = nil
	last := false
	if s != nil {
		s.users = slices.DeleteFunc(s.users, func(u *Watch) bool { return u == w })
		if last = len(s.users) == 0; last {
			c.shared = slices.DeleteFunc(c.shared, func(o *shared) bool { return o == s })
			s.stop()
		}
	}
	c.mu.Unlock()
	if last {
		<-s.ended
	}
}

// pageSize bounds a page of a list where the server does not stream lists, and so the memory of one.
const pageSize = 500

// listWatch lists in pages that are trimmed as they come, so that a list never stands whole in memory as it came.
func listWatch(client *rest.RESTClient, want Want, trim cache.TransformFunc, failed func(error)) cache.ListerWatcher {
	request := func(o metav1.ListOptions) *rest.Request {
		o.LabelSelector, o.FieldSelector = want.Labels, want.Fields
		return client.Get().NamespaceIfScoped(want.Namespace, want.Namespace != "").Resource(want.Kind.resource).VersionedParams(&o, parameters)
	}
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			// Version 0 answers from the server's cache, whole. From "" on, pages.
			if o.ResourceVersion == "0" {
				o.ResourceVersion = ""
			}
			o.Limit = pageSize
			all := &pages{}
			for {
				page := want.Kind.list()
				if err := steady.Insist(ctx, failed, func() error { return request(o).Do(ctx).Into(page) }); err != nil {
					return nil, err
				}
				next, err := all.add(page, trim)
				if err != nil || next == "" {
					return all, err
				}
				o.Continue, o.ResourceVersion = next, ""
			}
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.Watch = true
			return steady.Watch(ctx, o, failed, func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return request(o).Watch(ctx) })
		},
	}, client)
}

// pages is a list of trimmed objects, as the reflector reads it.
type pages struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []runtime.Object
}

func (p *pages) DeepCopyObject() runtime.Object { c := *p; c.Items = slices.Clone(p.Items); return &c }

// add appends the objects of a page, copied out of it: else each would keep the page.
func (p *pages) add(page runtime.Object, trim cache.TransformFunc) (next string, err error) {
	list, err := meta.ListAccessor(page)
	if err != nil {
		return "", err
	}
	p.ResourceVersion = list.GetResourceVersion()
	err = meta.EachListItemWithAlloc(page, func(o runtime.Object) error {
		small, err := trim(o)
		if err != nil {
			return err
		}
		p.Items = append(p.Items, small.(runtime.Object))
		return nil
	})
	return list.GetContinue(), err
}

// failed says once what is wrong with a watch: a missing right by feature and resource, everything else as a warning that
// is not repeated until it worked again.
func (c *cluster) failed(s *shared, err error) {
	reason := s.failing.of(err, s.informer.LastSyncResourceVersion())
	if reason == "" {
		return
	}
	c.mu.Lock()
	users := slices.Clone(s.users)
	c.mu.Unlock()
	said := map[string]bool{}
	for _, w := range users {
		if said[w.user.feature.Name] {
			continue
		}
		said[w.user.feature.Name] = true
		w.user.feature.Log.LogAttrs(context.Background(), slog.LevelWarn, reason,
			slog.String("feature", w.user.feature.Name), slog.String("resource", s.want.Kind.String()),
			slog.String("namespace", s.want.Namespace), slog.String("error", err.Error()))
	}
}

// failure is what was said of a watch last.
type failure struct {
	said   string
	at     string // the version that the watch had then: it has another one when it works again
	errors atomic.Uint64
}

// of returns the message for an error, or "" where it was said already or is part of normal work: a watch that ends, or 410
// Gone, after which the reflector lists anew.
func (f *failure) of(err error, version string) string {
	message := "the watch of the Kubernetes API server failed and is tried again"
	switch {
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err), errors.Is(err, io.EOF), errors.Is(err, context.Canceled):
		return ""
	}
	f.errors.Add(1)
	switch {
	case apierrors.IsForbidden(err):
		message = "the service account has no right for a feature: its role needs the verbs get, list and watch on the resource; the rest works"
	case apierrors.IsUnauthorized(err):
		message = "the API server does not know the service account: look at its token"
	case apierrors.IsNotFound(err):
		message = "the API server does not have the resource: is it too old?"
	}
	if f.said == message && f.at == version {
		return ""
	}
	f.said, f.at = message, version
	return message
}
