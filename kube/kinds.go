package kube

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is a kind of objects that can be watched.
type Kind struct {
	groupVersion schema.GroupVersion
	resource     string // as in URLs and rights: "pods"
	object       func() runtime.Object
	list         func() runtime.Object
}

// Resource is the name in URLs: "pods", "deployments".
func (k Kind) Resource() string { return k.resource }

// String is the resource as in RBAC rules: "pods", "deployments.apps".
func (k Kind) String() string {
	if k.groupVersion.Group == "" {
		return k.resource
	}
	return k.resource + "." + k.groupVersion.Group
}

func kindOf[Object, List any, O interface {
	*Object
	runtime.Object
}, L interface {
	*List
	runtime.Object
}](gv schema.GroupVersion, resource string) Kind {
	return Kind{gv, resource, func() runtime.Object { return O(new(Object)) }, func() runtime.Object { return L(new(List)) }}
}

// The kinds that components watch.
var (
	Pods           = kindOf[corev1.Pod, corev1.PodList](corev1.SchemeGroupVersion, "pods")
	Nodes          = kindOf[corev1.Node, corev1.NodeList](corev1.SchemeGroupVersion, "nodes")
	Services       = kindOf[corev1.Service, corev1.ServiceList](corev1.SchemeGroupVersion, "services")
	Endpoints      = kindOf[corev1.Endpoints, corev1.EndpointsList](corev1.SchemeGroupVersion, "endpoints") //nolint:staticcheck // what kubernetes_sd_configs' role endpoints reads
	Namespaces     = kindOf[corev1.Namespace, corev1.NamespaceList](corev1.SchemeGroupVersion, "namespaces")
	ReplicaSets    = kindOf[appsv1.ReplicaSet, appsv1.ReplicaSetList](appsv1.SchemeGroupVersion, "replicasets")
	Deployments    = kindOf[appsv1.Deployment, appsv1.DeploymentList](appsv1.SchemeGroupVersion, "deployments")
	StatefulSets   = kindOf[appsv1.StatefulSet, appsv1.StatefulSetList](appsv1.SchemeGroupVersion, "statefulsets")
	DaemonSets     = kindOf[appsv1.DaemonSet, appsv1.DaemonSetList](appsv1.SchemeGroupVersion, "daemonsets")
	Jobs           = kindOf[batchv1.Job, batchv1.JobList](batchv1.SchemeGroupVersion, "jobs")
	Events         = kindOf[corev1.Event, corev1.EventList](corev1.SchemeGroupVersion, "events")
	Leases         = kindOf[coordinationv1.Lease, coordinationv1.LeaseList](coordinationv1.SchemeGroupVersion, "leases")
	CronJobs       = kindOf[batchv1.CronJob, batchv1.CronJobList](batchv1.SchemeGroupVersion, "cronjobs")
	Ingresses      = kindOf[networkingv1.Ingress, networkingv1.IngressList](networkingv1.SchemeGroupVersion, "ingresses")
	EndpointSlices = kindOf[discoveryv1.EndpointSlice, discoveryv1.EndpointSliceList](discoveryv1.SchemeGroupVersion, "endpointslices")

	PersistentVolumes        = kindOf[corev1.PersistentVolume, corev1.PersistentVolumeList](corev1.SchemeGroupVersion, "persistentvolumes")
	PersistentVolumeClaims   = kindOf[corev1.PersistentVolumeClaim, corev1.PersistentVolumeClaimList](corev1.SchemeGroupVersion, "persistentvolumeclaims")
	ResourceQuotas           = kindOf[corev1.ResourceQuota, corev1.ResourceQuotaList](corev1.SchemeGroupVersion, "resourcequotas")
	PodDisruptionBudgets     = kindOf[policyv1.PodDisruptionBudget, policyv1.PodDisruptionBudgetList](policyv1.SchemeGroupVersion, "poddisruptionbudgets")
	HorizontalPodAutoscalers = kindOf[autoscalingv2.HorizontalPodAutoscaler, autoscalingv2.HorizontalPodAutoscalerList](autoscalingv2.SchemeGroupVersion, "horizontalpodautoscalers")
)

// Namespaced reports whether the kind's objects are in namespaces.
func (k Kind) Namespaced() bool {
	switch k.String() {
	case Nodes.String(), Namespaces.String(), PersistentVolumes.String():
		return false
	}
	return true
}
