// Package table is what the server of package kubetest serves: the resources with their Go types, and what field selectors see
// of them.
package table

import (
	"fmt"
	"slices"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// Kind is a resource. The Go type is the one that client-go's scheme has for it.
type Kind struct {
	Group, Version, Resource, Name string // "apps", "v1", "deployments", "Deployment"
	Namespaced, Status             bool   // Status: it has a subresource status
	Short                          string
	fields                         func(runtime.Object) fields.Set // beside metadata.name and metadata.namespace; nil: none
}

// Kinds are all of them.
var Kinds = []Kind{
	{"", "v1", "configmaps", "ConfigMap", true, false, "cm", nil},
	{"", "v1", "endpoints", "Endpoints", true, false, "ep", nil},
	{"", "v1", "events", "Event", true, false, "ev", eventFields},
	{"", "v1", "namespaces", "Namespace", false, true, "ns", namespaceFields},
	{"", "v1", "nodes", "Node", false, true, "no", nodeFields},
	{"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true, true, "pvc", nil},
	{"", "v1", "persistentvolumes", "PersistentVolume", false, true, "pv", nil},
	{"", "v1", "pods", "Pod", true, true, "po", podFields},
	{"", "v1", "replicationcontrollers", "ReplicationController", true, true, "rc", nil},
	{"", "v1", "resourcequotas", "ResourceQuota", true, true, "quota", nil},
	{"", "v1", "secrets", "Secret", true, false, "", secretFields},
	{"", "v1", "serviceaccounts", "ServiceAccount", true, false, "sa", nil},
	{"", "v1", "services", "Service", true, true, "svc", serviceFields},
	{"apps", "v1", "daemonsets", "DaemonSet", true, true, "ds", nil},
	{"apps", "v1", "deployments", "Deployment", true, true, "deploy", nil},
	{"apps", "v1", "replicasets", "ReplicaSet", true, true, "rs", nil},
	{"apps", "v1", "statefulsets", "StatefulSet", true, true, "sts", nil},
	{"autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true, true, "hpa", nil},
	{"batch", "v1", "cronjobs", "CronJob", true, true, "cj", nil},
	{"batch", "v1", "jobs", "Job", true, true, "", jobFields},
	{"coordination.k8s.io", "v1", "leases", "Lease", true, false, "", nil},
	{"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true, false, "", nil},
	{"events.k8s.io", "v1", "events", "Event", true, false, "ev", newEventFields},
	{"networking.k8s.io", "v1", "ingresses", "Ingress", true, true, "ing", nil},
	{"policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true, true, "pdb", nil},
	{"storage.k8s.io", "v1", "storageclasses", "StorageClass", false, false, "sc", nil},
}

// GV is the group and version.
func (k *Kind) GV() schema.GroupVersion {
	return schema.GroupVersion{Group: k.Group, Version: k.Version}
}

// GVK is the kind of an object.
func (k *Kind) GVK() schema.GroupVersionKind { return k.GV().WithKind(k.Name) }

// GroupResource is how rights and errors name it.
func (k *Kind) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: k.Group, Resource: k.Resource}
}

// String is the resource as in RBAC rules: "pods", "deployments.apps".
func (k *Kind) String() string { return k.GroupResource().String() }

// At finds a kind by the parts of its URL.
func At(group, version, resource string) *Kind {
	for i := range Kinds {
		if k := &Kinds[i]; k.Group == group && k.Version == version && k.Resource == resource {
			return k
		}
	}
	return nil
}

// Of finds the kind of a Go object and its key in the store.
func Of(o runtime.Object) (*Kind, string, error) {
	gvks, _, err := scheme.Scheme.ObjectKinds(o)
	if err != nil {
		return nil, "", err
	}
	for i := range Kinds {
		k := &Kinds[i]
		if !slices.Contains(gvks, k.GVK()) {
			continue
		}
		m, err := meta.Accessor(o)
		if err != nil {
			return nil, "", err
		}
		if k.Namespaced && m.GetNamespace() == "" {
			return nil, "", fmt.Errorf("%s %q has no namespace", k, m.GetName())
		}
		return k, k.Key(m.GetNamespace(), m.GetName()), nil
	}
	return nil, "", fmt.Errorf("the table has no %v", gvks)
}

// Key is that of an object in the store.
func (k *Kind) Key(namespace, name string) string {
	if k.Namespaced {
		return namespace + "/" + name
	}
	return name
}

// Object makes an empty object of the kind.
func (k *Kind) Object() runtime.Object {
	o, err := scheme.Scheme.New(k.GVK())
	if err != nil {
		panic(err) // the table is wrong
	}
	return o
}

// FieldsOf is what field selectors see of an object.
func (k *Kind) FieldsOf(o runtime.Object) fields.Set {
	set := fields.Set{}
	if k.fields != nil {
		set = k.fields(o)
	}
	if m, err := meta.Accessor(o); err == nil {
		set["metadata.name"] = m.GetName()
		set["metadata.namespace"] = m.GetNamespace()
	}
	return set
}

func podFields(o runtime.Object) fields.Set {
	p := o.(*corev1.Pod)
	ip := ""
	if len(p.Status.PodIPs) > 0 {
		ip = p.Status.PodIPs[0].IP
	}
	return fields.Set{
		"spec.nodeName": p.Spec.NodeName, "spec.restartPolicy": string(p.Spec.RestartPolicy), "spec.schedulerName": p.Spec.SchedulerName,
		"spec.serviceAccountName": p.Spec.ServiceAccountName, "spec.hostNetwork": strconv.FormatBool(p.Spec.HostNetwork),
		"status.phase": string(p.Status.Phase), "status.podIP": ip, "status.nominatedNodeName": p.Status.NominatedNodeName,
	}
}

func nodeFields(o runtime.Object) fields.Set {
	return fields.Set{"spec.unschedulable": strconv.FormatBool(o.(*corev1.Node).Spec.Unschedulable)}
}

func namespaceFields(o runtime.Object) fields.Set {
	return fields.Set{"status.phase": string(o.(*corev1.Namespace).Status.Phase)}
}

func secretFields(o runtime.Object) fields.Set {
	return fields.Set{"type": string(o.(*corev1.Secret).Type)}
}

func serviceFields(o runtime.Object) fields.Set {
	s := o.(*corev1.Service)
	return fields.Set{"spec.clusterIP": s.Spec.ClusterIP, "spec.type": string(s.Spec.Type)}
}

func jobFields(o runtime.Object) fields.Set {
	return fields.Set{"status.successful": strconv.Itoa(int(o.(*batchv1.Job).Status.Succeeded))}
}

func eventFields(o runtime.Object) fields.Set {
	e := o.(*corev1.Event)
	source := e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	set := fields.Set{"reason": e.Reason, "reportingComponent": e.ReportingController, "source": source, "type": e.Type}
	return withReference(set, "involvedObject.", e.InvolvedObject)
}

func newEventFields(o runtime.Object) fields.Set {
	e := o.(*eventsv1.Event)
	return withReference(fields.Set{"reason": e.Reason, "reportingController": e.ReportingController, "type": e.Type}, "regarding.", e.Regarding)
}

func withReference(set fields.Set, prefix string, r corev1.ObjectReference) fields.Set {
	for name, value := range map[string]string{
		"kind": r.Kind, "namespace": r.Namespace, "name": r.Name, "uid": string(r.UID), "apiVersion": r.APIVersion,
		"resourceVersion": r.ResourceVersion, "fieldPath": r.FieldPath,
	} {
		set[prefix+name] = value
	}
	return set
}
