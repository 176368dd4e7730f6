package kubesd

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"weak"

	"github.com/prometheus/prometheus/discovery"

	"github.com/sluiceio/sluice/kube"
)

// watches are those of one entry and namespace; nil where the role does not need one.
type watches struct {
	pods, nodes, services, endpoints, slices, ingresses, namespaces, replicaSets, jobs *kube.Watch
	fetched                                                                            *fetched
}

// fetched is what an agent asks for one by one: a namespace has no node to select by.
type fetched struct {
	namespaces *kube.Objects
	seen       uint64 // the version that groups were built from last
}

// reserved has the []*watches of each config between Reserve and Close, by weak.Pointer[Config]: what was only checked is never
// closed, and its entry goes with it. They are not in Config, which is compared as a whole over a reload.
var reserved sync.Map

// A Reservation is what a receiver's jobs will watch.
type Reservation struct {
	users   map[kube.Access]*kube.User
	configs []*Config
	fetched map[kube.Access]*kube.Objects // namespaces, for all entries with own_node
	missing error                         // what Start reports
}

// Reserve makes the reservations of all Kubernetes entries among the configs. It asks nothing of the network.
func Reserve(all []discovery.Configs, f kube.Feature) (*Reservation, error) {
	r := &Reservation{users: map[kube.Access]*kube.User{}, fetched: map[kube.Access]*kube.Objects{}}
	for _, configs := range all {
		for _, c := range configs {
			if c, is := c.(*Config); is {
				if err := r.add(c, f); err != nil {
					return nil, err
				}
			}
		}
	}
	return r, nil
}

func (r *Reservation) add(c *Config, f kube.Feature) error {
	u := r.users[c.access()]
	if u == nil {
		if len(r.users) > 0 {
			f.Metrics = nil // of the first cluster only: the series would clash
		}
		var err error
		if u, err = kube.Use(c.access(), f); err != nil {
			return err
		}
		r.users[c.access()] = u
	}
	namespaces, err := c.namespaces()
	r.missing = errors.Join(r.missing, err, c.here())
	var out []*watches
	for _, namespace := range namespaces {
		w := c.reserve(u, namespace)
		if c.AttachMetadata.Namespace && bool(c.OwnNode) && c.Role != RoleNode {
			if r.fetched[c.access()] == nil {
				r.fetched[c.access()] = u.Objects(kube.Want{Kind: kube.Namespaces}, true)
			}
			w.fetched = &fetched{namespaces: r.fetched[c.access()]}
		}
		out = append(out, w)
	}
	key := weak.Make(c)
	reserved.Store(key, out)
	runtime.AddCleanup(c, func(key weak.Pointer[Config]) { reserved.Delete(key) }, key)
	r.configs = append(r.configs, c)
	return nil
}

func (c *Config) reserve(u *kube.User, namespace string) *watches {
	want := func(k kube.Kind, role Role) *kube.Watch {
		labels, fields := c.selector(role)
		return u.Reserve(kube.Want{Kind: k, Namespace: namespace, Labels: labels, Fields: fields, Need: kube.Targets})
	}
	nodes := func(need kube.Need) *kube.Watch { // they have no namespace
		labels, fields := c.selector(RoleNode)
		return u.Reserve(kube.Want{Kind: kube.Nodes, Labels: labels, Fields: fields, Need: need})
	}
	w := &watches{}
	attach := c.AttachMetadata
	withPods := false
	switch c.Role {
	case RolePod:
		withPods = true
	case RoleNode:
		w.nodes = nodes(kube.Targets)
		return w
	case RoleService:
		withPods = bool(c.OwnNode)
		w.services = want(kube.Services, RoleService)
	case RoleEndpoints:
		withPods = true
		w.services = want(kube.Services, RoleService)
		if !c.OwnNode {
			w.endpoints = want(kube.Endpoints, RoleEndpoints)
		}
	case RoleEndpointSlice:
		withPods = true
		w.services = want(kube.Services, RoleService)
		if !c.OwnNode {
			w.slices = want(kube.EndpointSlices, RoleEndpointSlice)
		}
	case RoleIngress:
		w.ingresses = want(kube.Ingresses, RoleIngress)
	}
	if attach.Namespace && !bool(c.OwnNode) {
		w.namespaces = u.Reserve(kube.Want{Kind: kube.Namespaces, Need: kube.Identity})
	}
	if !withPods {
		return w
	}
	w.pods = want(kube.Pods, RolePod)
	if attach.Node {
		w.nodes = nodes(kube.Identity)
	}
	if c.OwnNode {
		return w
	}
	if attach.Deployment {
		w.replicaSets = u.Reserve(kube.Want{Kind: kube.ReplicaSets, Namespace: namespace, Need: kube.Identity})
	}
	if attach.Job || attach.CronJob {
		w.jobs = u.Reserve(kube.Want{Kind: kube.Jobs, Namespace: namespace, Need: kube.Identity})
	}
	return w
}

// Start begins the watches; call it before the discovery manager has the configs.
func (r *Reservation) Start(ctx context.Context) error {
	if r.missing != nil {
		return r.missing
	}
	for _, u := range r.users {
		if err := u.Start(ctx); err != nil {
			return err
		}
	}
	for _, o := range r.fetched {
		o.Start()
	}
	return nil
}

// Close gives the watches back, after the discoverers have ended.
func (r *Reservation) Close() {
	for _, o := range r.fetched {
		o.Close()
	}
	for _, u := range r.users {
		u.Close()
	}
	for _, c := range r.configs {
		reserved.Delete(weak.Make(c))
	}
}
