package kube

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Pod is who a pod is, small: it is kept for each pod of the cluster. It never changes once made.
type Pod struct {
	metav1.Object // nil: only the methods below are called by informers

	Namespace, Name, UID string
	Version              string // resourceVersion
	Node, Hostname       string
	IPs                  []string
	HostNetwork          bool // its addresses are the node's
	Ended                bool // succeeded or failed: its addresses may be another pod's by now
	Created, Started     time.Time
	// ConfigHash is the uid that a kubelet gave to a static pod: it is the one in the paths of its logs.
	ConfigHash          string
	Owner               Owner // the controller
	Labels, Annotations map[string]string
	Containers          []Container
}

// Owner is a controller.
type Owner struct{ Kind, Name, UID string }

// Container is a container of a pod, those of its init phase included.
type Container struct {
	Name, Image, ImageID string
	ID                   string   // without the runtime's prefix; empty until it runs
	Earlier              []string // ids of what ran before under the name, if known
	Restarts             int
}

func (p *Pod) GetNamespace() string                         { return p.Namespace }
func (p *Pod) GetName() string                              { return p.Name }
func (p *Pod) GetUID() types.UID                            { return types.UID(p.UID) }
func (p *Pod) GetResourceVersion() string                   { return p.Version }
func (p *Pod) GetLabels() map[string]string                 { return p.Labels }
func (p *Pod) GetAnnotations() map[string]string            { return p.Annotations }
func (p *Pod) SetManagedFields([]metav1.ManagedFieldsEntry) {}
func (p *Pod) GetObjectKind() schema.ObjectKind             { return schema.EmptyObjectKind }
func (p *Pod) DeepCopyObject() runtime.Object               { return p }

// identityOf makes the small form of a pod.
func identityOf(o *corev1.Pod) *Pod {
	p := &Pod{
		Namespace: o.Namespace, Name: o.Name, UID: string(o.UID), Version: o.ResourceVersion, Node: o.Spec.NodeName, Hostname: o.Spec.Hostname,
		Created: o.CreationTimestamp.Time,
		Labels:  o.Labels, Annotations: o.Annotations, ConfigHash: configHash(o.Annotations),
		HostNetwork: o.Spec.HostNetwork, Ended: o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed,
	}
	if o.Status.StartTime != nil {
		p.Started = o.Status.StartTime.Time
	}
	for _, ip := range o.Status.PodIPs {
		p.IPs = append(p.IPs, ip.IP)
	}
	if len(p.IPs) == 0 && o.Status.PodIP != "" {
		p.IPs = []string{o.Status.PodIP}
	}
	for _, ref := range o.OwnerReferences {
		if ref.Controller != nil && *ref.Controller {
			p.Owner = Owner{ref.Kind, ref.Name, string(ref.UID)}
		}
	}
	p.Containers = append(containersOf(o.Spec.Containers, o.Status.ContainerStatuses), containersOf(o.Spec.InitContainers, o.Status.InitContainerStatuses)...)
	return p
}

// configHash: the kubelet names the logs of a static pod by its own uid, which the mirror pod at the API server has as an annotation.
func configHash(annotations map[string]string) string {
	if h := annotations["kubernetes.io/config.mirror"]; h != "" {
		return h
	}
	return annotations["kubernetes.io/config.hash"]
}

func containersOf(spec []corev1.Container, statuses []corev1.ContainerStatus) []Container {
	var out []Container
	for _, s := range spec {
		c := Container{Name: s.Name, Image: s.Image}
		for i := range statuses {
			if st := &statuses[i]; st.Name == s.Name {
				c.ID, c.ImageID, c.Restarts = containerID(st.ContainerID), st.ImageID, int(st.RestartCount)
				if t := st.LastTerminationState.Terminated; t != nil && t.ContainerID != "" {
					c.Earlier = []string{containerID(t.ContainerID)}
				}
			}
		}
		out = append(out, c)
	}
	return out
}

// containerID cuts "containerd://" off.
func containerID(id string) string {
	if _, after, found := strings.Cut(id, "://"); found {
		return after
	}
	return id
}

// Deployment is the name of the Deployment behind a ReplicaSet, from the pod alone: no ReplicaSet is watched for it. The
// ReplicaSet's name is the Deployment's and the label pod-template-hash, which its controller adds.
func (p *Pod) Deployment() string {
	if p.Owner.Kind != "ReplicaSet" {
		return ""
	}
	hash := p.Labels["pod-template-hash"]
	if name, found := strings.CutSuffix(p.Owner.Name, "-"+hash); found && hash != "" {
		return name
	}
	return ""
}

// cronJobSkew is how far a pod's creation may be from the scheduled time in its Job's name: longer, and the number is no time.
const cronJobSkew = 24 * time.Hour

// CronJob is the name of the CronJob behind a Job, from the pod alone: its controller names a Job by the scheduled time, in minutes (in
// seconds before Kubernetes 1.21) since 1970.
func (p *Pod) CronJob() string {
	if p.Owner.Kind != "Job" {
		return ""
	}
	i := strings.LastIndexByte(p.Owner.Name, '-')
	if i <= 0 {
		return ""
	}
	n, err := strconv.ParseUint(p.Owner.Name[i+1:], 10, 63)
	scheduled := time.Unix(int64(n), 0)
	switch digits := len(p.Owner.Name) - i - 1; {
	case err != nil:
		return ""
	case digits == 8:
		scheduled = time.Unix(int64(n)*60, 0)
	case digits != 10:
		return ""
	}
	if !p.Created.IsZero() && p.Created.Sub(scheduled).Abs() > cronJobSkew {
		return ""
	}
	return p.Owner.Name[:i]
}

// PodOf returns the small form of what an informer of pods holds.
func PodOf(o any) *Pod {
	switch o := o.(type) {
	case *Pod:
		return o
	case *corev1.Pod:
		return identityOf(o)
	}
	return nil
}
