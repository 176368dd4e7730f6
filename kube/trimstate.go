package kube

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// stateOf keeps of an object what its series say, and what the other needs ask for.
func stateOf(o any, need Need) any {
	if need == State {
		withoutAnnotations(o)
	}
	switch o := o.(type) {
	case *corev1.Pod:
		return statePod(o)
	case *corev1.Node:
		i := o.Status.NodeInfo
		o.Status = corev1.NodeStatus{
			Addresses: o.Status.Addresses, Conditions: o.Status.Conditions, DaemonEndpoints: o.Status.DaemonEndpoints, Capacity: o.Status.Capacity, Allocatable: o.Status.Allocatable,
			NodeInfo: corev1.NodeSystemInfo{
				KernelVersion: i.KernelVersion, OSImage: i.OSImage, ContainerRuntimeVersion: i.ContainerRuntimeVersion, KubeletVersion: i.KubeletVersion, SystemUUID: i.SystemUUID,
			},
		}
		for i, c := range o.Status.Conditions { // the times of heartbeats go
			o.Status.Conditions[i] = corev1.NodeCondition{Type: c.Type, Status: c.Status}
		}
	case *corev1.Service:
		out := targetService(o)
		out.Spec.ExternalIPs, out.Spec.ExternalTrafficPolicy, out.Status.LoadBalancer = o.Spec.ExternalIPs, o.Spec.ExternalTrafficPolicy, o.Status.LoadBalancer
		return out
	case *appsv1.Deployment:
		o.Spec.Template, o.Spec.Selector = corev1.PodTemplateSpec{}, nil
	case *appsv1.StatefulSet:
		o.Spec.Template, o.Spec.Selector, o.Spec.VolumeClaimTemplates = corev1.PodTemplateSpec{}, nil, nil
	case *appsv1.DaemonSet:
		o.Spec.Template, o.Spec.Selector = corev1.PodTemplateSpec{}, nil
	case *appsv1.ReplicaSet:
		return &appsv1.ReplicaSet{TypeMeta: o.TypeMeta, ObjectMeta: o.ObjectMeta, Spec: appsv1.ReplicaSetSpec{Replicas: o.Spec.Replicas}, Status: o.Status}
	case *batchv1.Job:
		o.Spec.Template, o.Spec.Selector, o.Spec.PodFailurePolicy, o.Status.UncountedTerminatedPods = corev1.PodTemplateSpec{}, nil, nil, nil
	case *batchv1.CronJob:
		o.Spec.JobTemplate = batchv1.JobTemplateSpec{}
	case *policyv1.PodDisruptionBudget:
		o.Spec, o.Status.DisruptedPods = policyv1.PodDisruptionBudgetSpec{}, nil
	case *autoscalingv2.HorizontalPodAutoscaler:
		o.Spec.Behavior = nil
	}
	return o
}

func withoutAnnotations(o any) {
	m, err := meta.Accessor(o)
	if err != nil {
		return // a tombstone
	}
	class, has := m.GetAnnotations()[corev1.BetaStorageClassAnnotation]
	m.SetAnnotations(nil)
	if has { // an old way to say the storage class of a claim
		m.SetAnnotations(map[string]string{corev1.BetaStorageClassAnnotation: class})
	}
}

// statePod is a new pod with what discovery and identities read, and with resources, states and conditions.
func statePod(o *corev1.Pod) *corev1.Pod {
	out := targetPod(o)
	out.Spec.RestartPolicy, out.Spec.PriorityClassName, out.Spec.Overhead = o.Spec.RestartPolicy, o.Spec.PriorityClassName, o.Spec.Overhead
	stateContainers(out.Spec.Containers, o.Spec.Containers)
	stateContainers(out.Spec.InitContainers, o.Spec.InitContainers)
	for _, v := range o.Spec.Volumes {
		if c := v.PersistentVolumeClaim; c != nil {
			out.Spec.Volumes = append(out.Spec.Volumes, corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: c}})
		}
	}
	out.Status.Reason, out.Status.QOSClass, out.Status.Conditions = o.Status.Reason, o.Status.QOSClass, nil
	for _, c := range o.Status.Conditions {
		if c.Type == corev1.PodReady || c.Type == corev1.PodScheduled {
			out.Status.Conditions = append(out.Status.Conditions, corev1.PodCondition{Type: c.Type, Status: c.Status, LastTransitionTime: c.LastTransitionTime})
		}
	}
	stateStatuses(out.Status.ContainerStatuses, o.Status.ContainerStatuses)
	stateStatuses(out.Status.InitContainerStatuses, o.Status.InitContainerStatuses)
	return out
}

func stateContainers(out, in []corev1.Container) {
	for i := range out {
		out[i].Resources = corev1.ResourceRequirements{Requests: in[i].Resources.Requests, Limits: in[i].Resources.Limits}
	}
}

func stateStatuses(out, in []corev1.ContainerStatus) {
	for i := range out {
		to, from := &out[i], &in[i]
		to.Started = from.Started
		to.LastTerminationState.Terminated = endOf(from.LastTerminationState.Terminated)
		to.State.Terminated = endOf(from.State.Terminated)
		if w := from.State.Waiting; w != nil {
			to.State.Waiting = &corev1.ContainerStateWaiting{Reason: w.Reason}
		}
		if r := from.State.Running; r != nil {
			to.State.Running = &corev1.ContainerStateRunning{StartedAt: r.StartedAt}
		}
	}
}

// endOf leaves out the message, which may have 4 KB.
func endOf(t *corev1.ContainerStateTerminated) *corev1.ContainerStateTerminated {
	if t == nil {
		return nil
	}
	return &corev1.ContainerStateTerminated{ContainerID: t.ContainerID, Reason: t.Reason, ExitCode: t.ExitCode, StartedAt: t.StartedAt, FinishedAt: t.FinishedAt}
}
