package kubesd

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

var indexing sync.Mutex

// addIndexers adds the indices that Prometheus' builders look up by name, unless another job has (discovery/kubernetes at v0.313:
// newIndexedPodsInformer and its siblings).
func addIndexers(informer cache.SharedIndexInformer) error {
	indexing.Lock()
	defer indexing.Unlock()
	if informer.GetIndexer().GetIndexers()["node"] != nil {
		return nil
	}
	return informer.AddIndexers(cache.Indexers{
		cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
		"node":               nodesOf,
		"pod":                podsOf,
		"service":            serviceOf,
		"replicaset":         controllerOf("ReplicaSet"),
		"job":                controllerOf("Job"),
	})
}

// An address is an endpoint's, of either kind.
type address struct {
	target *corev1.ObjectReference
	node   *string
}

func addresses(o any) (out []address) {
	switch o := o.(type) {
	case *corev1.Endpoints: //nolint:staticcheck // the role endpoints reads it
		for _, s := range o.Subsets {
			for _, a := range s.Addresses {
				out = append(out, address{a.TargetRef, a.NodeName})
			}
		}
	case *discoveryv1.EndpointSlice:
		for _, e := range o.Endpoints {
			out = append(out, address{e.TargetRef, e.NodeName})
		}
	}
	return out
}

func nodesOf(o any) (out []string, err error) {
	if p, is := o.(*corev1.Pod); is {
		return []string{p.Spec.NodeName}, nil
	}
	for _, a := range addresses(o) {
		switch {
		case a.target == nil:
		case a.target.Kind == "Pod" && a.node != nil:
			out = append(out, *a.node)
		case a.target.Kind == "Node":
			out = append(out, a.target.Name)
		}
	}
	return out, nil
}

func podsOf(o any) (out []string, err error) {
	for _, a := range addresses(o) {
		if a.target != nil && a.target.Kind == "Pod" {
			out = append(out, a.target.Namespace+"/"+a.target.Name)
		}
	}
	return out, nil
}

// serviceOf: a slice belongs to a service by its label.
func serviceOf(o any) ([]string, error) {
	if s, is := o.(*discoveryv1.EndpointSlice); is && s.Labels[discoveryv1.LabelServiceName] != "" {
		return []string{s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]}, nil
	}
	return nil, nil
}

func controllerOf(kind string) cache.IndexFunc {
	return func(o any) ([]string, error) {
		m, err := meta.Accessor(o)
		if err != nil {
			return nil, err
		}
		if ref := metav1.GetControllerOfNoCopy(m); ref != nil && ref.Kind == kind {
			return []string{m.GetNamespace() + "/" + ref.Name}, nil
		}
		return nil, nil
	}
}
