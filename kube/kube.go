// Package kube is one view of a Kubernetes cluster for whoever needs it: one watch a kind and process, however many
// components ask, with objects trimmed on arrival.
//
// A component calls Use when it is made and reserves what it will watch; nothing is asked of the network before Start. So
// the engine's rule, that all components of a graph are made before the first is started, lets the first watch of a kind
// carry what all of them need. After a reload the next graph's components find the watches running.
package kube

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// Feature is who asks: its name stands in log lines about missing rights and in metrics.
type Feature struct {
	Name    string // as in the file: "k8s_attributes"
	Log     *slog.Logger
	Metrics prometheus.Registerer // of the component; nil: none
	Series  string                // what the names of its metrics begin with; empty: sluice_kube
	Version string                // of the build, for the user agent
}

// User is a component's access to a cluster. Its methods may be called by several goroutines.
type User struct {
	cluster *cluster
	feature Feature

	mu      sync.Mutex
	watches []*Watch
	started bool
}

// Use makes a user of the cluster that access names. It asks nothing of the network.
func Use(access Access, f Feature) (*User, error) {
	u := &User{cluster: clusterOf(access), feature: f}
	if f.Metrics != nil {
		if err := f.Metrics.Register(newCollector(u)); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// Reserve says that the component will watch this. Call it when the component is made, so that watches of one kind carry what all
// components need.
func (u *User) Reserve(want Want) *Watch {
	w := &Watch{user: u, want: want}
	u.mu.Lock()
	u.watches = append(u.watches, w)
	u.mu.Unlock()
	u.cluster.reserve(w)
	return w
}

// Start begins the watches. It returns an error if the access is not usable (no service account, a broken kubeconfig), but
// does not wait for the API server.
func (u *User) Start(context.Context) error {
	if err := u.cluster.connect(u.feature); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.started = true
	for _, w := range u.watches {
		if err := u.cluster.open(w); err != nil {
			return err
		}
	}
	return nil
}

// Client makes requests for objects of a kind, which components do that cannot watch: who must not miss or repeat an event, who writes.
// Call it after Start.
func (u *User) Client(k Kind) (*Client, error) {
	client, err := u.cluster.lockedClient(k)
	if err != nil {
		return nil, err
	}
	return &Client{client, k}, nil
}

// Close ends what the user watches. A watch ends with its last user.
func (u *User) Close() {
	u.mu.Lock()
	watches := u.watches
	u.watches = nil
	u.mu.Unlock()
	for _, w := range watches {
		u.cluster.release(w)
	}
}

// Synced reports whether each of the user's watches has its first list.
func (u *User) Synced() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.started {
		return false
	}
	for _, w := range u.watches {
		if i := w.informer(); i == nil || !i.HasSynced() {
			return false
		}
	}
	return true
}

// cluster is one API server as this process sees it, shared by all users with the same access.
type cluster struct {
	access Access

	mu      sync.Mutex
	config  *rest.Config // nil until the first Start
	clients map[string]*rest.RESTClient
	// reserved is weak: a configuration that was only checked is never closed.
	reserved map[weak.Pointer[Watch]]struct{}
	shared   []*shared
}

var quiet sync.Once

var (
	clustersMu sync.Mutex
	clusters   = map[Access]*cluster{}
)

// clusterOf never forgets a cluster: a process knows one or two.
func clusterOf(a Access) *cluster {
	clustersMu.Lock()
	defer clustersMu.Unlock()
	c := clusters[a]
	if c == nil {
		c = &cluster{access: a, reserved: map[weak.Pointer[Watch]]struct{}{}, clients: map[string]*rest.RESTClient{}}
		clusters[a] = c
	}
	return c
}

// connect reads the access anew if nothing is watched, so that a mended kubeconfig counts after a reload.
func (c *cluster) connect(f Feature) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config != nil && len(c.shared) > 0 {
		return nil
	}
	config, err := c.access.config(f.Version)
	if err != nil {
		return fmt.Errorf("cannot reach the Kubernetes API server: %w", err)
	}
	// What client-go writes to stderr in a format of its own is said by Watch in ours.
	quiet.Do(func() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) })
	c.config = config
	clear(c.clients)
	return nil
}

// lockedClient is client for who does not have the lock.
func (c *cluster) lockedClient(k Kind) (*rest.RESTClient, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.client(k)
}

// client returns the client of a group and version; the caller has the lock.
func (c *cluster) client(k Kind) (*rest.RESTClient, error) {
	gv := k.groupVersion
	if have := c.clients[gv.String()]; have != nil {
		return have, nil
	}
	config := rest.CopyConfig(c.config)
	config.GroupVersion = &gv
	config.APIPath = "/apis"
	if gv.Group == "" {
		config.APIPath = "/api"
	}
	config.NegotiatedSerializer = codecs.WithoutConversion()
	made, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the Kubernetes API server: %w", hide(err))
	}
	c.clients[gv.String()] = made
	return made, nil
}
