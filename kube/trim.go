package kube

import (
	"bytes"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
)

// Need is what of an object is kept. Needs are added where components share a watch.
type Need uint8

const (
	// Identity keeps of pods a *Pod: who it is and its metadata. Of other kinds it keeps the metadata.
	Identity Need = 1 << iota
	// Targets keeps what discovery makes targets of: metadata, ports, addresses, readiness.
	Targets
	// State keeps what the series kube_* say of an object: its numbers and conditions, without templates, selectors and annotations.
	State
)

// lastApplied is what kubectl apply wrote: the whole object again. No component reads it.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// trimmer returns the transformation of arriving objects. It is idempotent, as informers ask.
func trimmer(want Want) cache.TransformFunc {
	return func(o any) (any, error) {
		if m, err := meta.Accessor(o); err == nil {
			m.SetManagedFields(nil)
			if a := m.GetAnnotations(); a[lastApplied] != "" {
				delete(a, lastApplied)
			}
		}
		if want.Need == Identity {
			return identityOfAny(o), nil
		}
		if want.Need&State != 0 {
			return stateOf(o, want.Need), nil
		}
		switch o := o.(type) {
		case *corev1.Pod:
			return targetPod(o), nil
		case *corev1.Node:
			o.Status = corev1.NodeStatus{Addresses: o.Status.Addresses, Conditions: o.Status.Conditions, DaemonEndpoints: o.Status.DaemonEndpoints}
			for i, c := range o.Status.Conditions { // the times of heartbeats go
				o.Status.Conditions[i] = corev1.NodeCondition{Type: c.Type, Status: c.Status}
			}
		case *corev1.Service:
			return encodedService(o)
		case *appsv1.ReplicaSet:
			return &appsv1.ReplicaSet{TypeMeta: o.TypeMeta, ObjectMeta: o.ObjectMeta}, nil
		case *batchv1.Job:
			return &batchv1.Job{TypeMeta: o.TypeMeta, ObjectMeta: o.ObjectMeta}, nil
		}
		return o, nil
	}
}

// identityOfAny keeps of a pod who it is, and of an object of another kind its metadata.
func identityOfAny(o any) any {
	switch o := o.(type) {
	case *corev1.Pod:
		return identityOf(o)
	case *Pod, *metav1.PartialObjectMetadata:
		return o
	}
	m, err := meta.Accessor(o)
	if err != nil {
		return o // a tombstone
	}
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: m.GetName(), Namespace: m.GetNamespace(), UID: m.GetUID(), ResourceVersion: m.GetResourceVersion(),
		Labels: m.GetLabels(), Annotations: m.GetAnnotations(), OwnerReferences: m.GetOwnerReferences(),
		CreationTimestamp: m.GetCreationTimestamp(), DeletionTimestamp: m.GetDeletionTimestamp(),
	}}
}

// targetPod is a new pod with what discovery and identities read, so that the decoded one can go.
func targetPod(o *corev1.Pod) *corev1.Pod {
	out := &corev1.Pod{TypeMeta: o.TypeMeta, ObjectMeta: o.ObjectMeta}
	out.Spec = corev1.PodSpec{
		NodeName: o.Spec.NodeName, HostNetwork: o.Spec.HostNetwork, Hostname: o.Spec.Hostname, Subdomain: o.Spec.Subdomain,
		Containers: targetContainers(o.Spec.Containers), InitContainers: targetContainers(o.Spec.InitContainers),
	}
	out.Status = corev1.PodStatus{
		Phase: o.Status.Phase, PodIP: o.Status.PodIP, PodIPs: o.Status.PodIPs, HostIP: o.Status.HostIP, StartTime: o.Status.StartTime,
		ContainerStatuses: targetStatuses(o.Status.ContainerStatuses), InitContainerStatuses: targetStatuses(o.Status.InitContainerStatuses),
	}
	for _, c := range o.Status.Conditions {
		if c.Type == corev1.PodReady {
			out.Status.Conditions = []corev1.PodCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	return out
}

// Service is a Service as discovery's watch keeps it: encoded. An agent has all of the cluster, and few of them choose its pods.
type Service struct {
	metav1.Object // nil: only the methods below are called by informers

	namespace, name, version string
	encoded                  []byte
}

func (s *Service) GetNamespace() string                         { return s.namespace }
func (s *Service) GetName() string                              { return s.name }
func (s *Service) GetResourceVersion() string                   { return s.version }
func (s *Service) GetAnnotations() map[string]string            { return nil }
func (s *Service) SetManagedFields([]metav1.ManagedFieldsEntry) {}
func (s *Service) GetObjectKind() schema.ObjectKind             { return schema.EmptyObjectKind }
func (s *Service) DeepCopyObject() runtime.Object               { return s }

// Same reports whether two versions say the same to discovery.
func (s *Service) Same(o *Service) bool { return bytes.Equal(s.encoded, o.encoded) }

// ServiceOf returns a Service that an informer holds, decoded if need be, with what discovery reads; nil if it is none.
func ServiceOf(o any) *corev1.Service {
	switch o := o.(type) {
	case *corev1.Service:
		return o
	case *Service:
		out := &corev1.Service{}
		if out.Unmarshal(o.encoded) != nil {
			return nil // a bug: it was encoded here
		}
		return out
	}
	return nil
}

// targetService is a new service with what discovery reads.
func targetService(o *corev1.Service) *corev1.Service {
	out := &corev1.Service{TypeMeta: o.TypeMeta, ObjectMeta: o.ObjectMeta, Spec: corev1.ServiceSpec{
		Type: o.Spec.Type, ClusterIP: o.Spec.ClusterIP, ExternalName: o.Spec.ExternalName, LoadBalancerIP: o.Spec.LoadBalancerIP, //nolint:staticcheck // a label of Prometheus
		Selector: o.Spec.Selector, IPFamilies: o.Spec.IPFamilies, IPFamilyPolicy: o.Spec.IPFamilyPolicy, PublishNotReadyAddresses: o.Spec.PublishNotReadyAddresses,
	}}
	for _, p := range o.Spec.Ports {
		out.Spec.Ports = append(out.Spec.Ports, corev1.ServicePort{Name: p.Name, Port: p.Port, Protocol: p.Protocol, TargetPort: p.TargetPort, AppProtocol: p.AppProtocol})
	}
	return out
}

func encodedService(o *corev1.Service) (any, error) {
	keep := targetService(o)
	keep.ObjectMeta = metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, UID: o.UID, Labels: o.Labels, Annotations: o.Annotations}
	encoded, err := keep.Marshal()
	return &Service{namespace: o.Namespace, name: o.Name, version: o.ResourceVersion, encoded: encoded}, err
}

func targetContainers(in []corev1.Container) []corev1.Container {
	var out []corev1.Container
	for _, c := range in {
		out = append(out, corev1.Container{Name: c.Name, Image: c.Image, Ports: c.Ports, RestartPolicy: c.RestartPolicy})
	}
	return out
}

func targetStatuses(in []corev1.ContainerStatus) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for _, s := range in {
		out = append(out, corev1.ContainerStatus{
			Name: s.Name, ContainerID: s.ContainerID, Image: s.Image, ImageID: s.ImageID, RestartCount: s.RestartCount, Ready: s.Ready,
			LastTerminationState: corev1.ContainerState{Terminated: terminated(s.LastTerminationState.Terminated)},
		})
	}
	return out
}

func terminated(t *corev1.ContainerStateTerminated) *corev1.ContainerStateTerminated {
	if t == nil {
		return nil
	}
	return &corev1.ContainerStateTerminated{ContainerID: t.ContainerID}
}
