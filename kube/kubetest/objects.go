package kubetest

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluiceio/sluice/kube/kubetest/clusters"
	"github.com/sluiceio/sluice/kube/kubetest/table"
)

// Put writes objects as if a controller had: new, or instead of what has their name. Lists count as their items. What is not set
// of uid, creation time and generation is filled in, or kept. The objects stay the caller's.
func (s *Server) Put(objs ...runtime.Object) {
	s.t.Helper()
	for _, o := range objs {
		if meta.IsListType(o) {
			if err := meta.EachListItem(o, func(item runtime.Object) error { s.Put(item); return nil }); err != nil {
				s.t.Errorf("cannot put %T: %v", o, err)
			}
			continue
		}
		k, key, err := table.Of(o)
		if err == nil {
			_, err = s.store.Change(k.String(), key, func(old runtime.Object) (runtime.Object, error) {
				made := bare(o)
				fill(k, made, old)
				return made, nil
			})
		}
		if err != nil {
			s.t.Errorf("cannot put %T: %v", o, err)
		}
	}
}

// Delete deletes the object of this kind, namespace and name. That there is none fails the test.
func (s *Server) Delete(o runtime.Object) {
	s.t.Helper()
	k, key, err := table.Of(o)
	if err == nil {
		_, err = s.store.Change(k.String(), key, func(old runtime.Object) (runtime.Object, error) {
			if old == nil {
				return nil, fmt.Errorf("there is no %s %s", k, key)
			}
			return nil, nil
		})
	}
	if err != nil {
		s.t.Errorf("cannot delete %T: %v", o, err)
	}
}

// Get returns a copy of the object of this kind, namespace and name as the server has it, or nil.
func (s *Server) Get(like runtime.Object) runtime.Object {
	s.t.Helper()
	k, key, err := table.Of(like)
	if err != nil {
		s.t.Errorf("cannot get %T: %v", like, err)
		return nil
	}
	if o := s.store.Get(k.String(), key); o != nil {
		return o.DeepCopyObject()
	}
	return nil
}

// bare returns a copy without what only stands in encoded objects.
func bare(o runtime.Object) runtime.Object {
	c := o.DeepCopyObject()
	c.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return c
}

func metaOf(o runtime.Object) *metav1.ObjectMeta {
	return o.(metav1.ObjectMetaAccessor).GetObjectMeta().(*metav1.ObjectMeta)
}

// fill sets what the API server sets of an object's metadata.
func fill(k *table.Kind, o, old runtime.Object) {
	m := metaOf(o)
	if old != nil {
		was := metaOf(old)
		if m.UID == "" {
			m.UID = was.UID
		}
		if m.CreationTimestamp.IsZero() {
			m.CreationTimestamp = was.CreationTimestamp
		}
		if m.Generation == 0 {
			m.Generation = was.Generation
		}
		return
	}
	if m.UID == "" {
		m.UID = clusters.UID(k.String(), m.Namespace, m.Name, time.Now().String())
	}
	if m.CreationTimestamp.IsZero() {
		m.CreationTimestamp = metav1.Time{Time: time.Now().Truncate(time.Second)}
	}
	if m.Generation == 0 && k.Status {
		m.Generation = 1
	}
}

// Cluster makes the objects of a cluster, the same each time: Put(Cluster(20, 25, 40).All()...).
func Cluster(nodes, podsPerNode, services int) *clusters.Objects {
	return clusters.New(nodes, podsPerNode, services)
}
