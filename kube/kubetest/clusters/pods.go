package clusters

import (
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// want is what differs between pods.
type want struct {
	namespace, name     string
	labels, annotations map[string]string
	owner               *metav1.OwnerReference
	hostNetwork, ended  bool
	containers          []string // names; the first also has the image's name
}

// pod makes a running pod, or a finished one, and adds it.
func (p *plan) pod(at place, w want) *corev1.Pod {
	created := metav1.Time{Time: Born.Add(time.Duration(at.node*60+at.slot) * time.Second)}
	started := metav1.Time{Time: created.Add(2 * time.Second)}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: w.name, UID: UID("pod", w.namespace, w.name), CreationTimestamp: created,
			Labels: maps.Clone(w.labels), Annotations: maps.Clone(w.annotations), ManagedFields: managed(created),
		},
		Spec: corev1.PodSpec{
			NodeName: NodeName(at.node), HostNetwork: w.hostNetwork, ServiceAccountName: "default", DeprecatedServiceAccount: "default", RestartPolicy: corev1.RestartPolicyAlways,
			DNSPolicy: corev1.DNSClusterFirst, SchedulerName: "default-scheduler", SecurityContext: &corev1.PodSecurityContext{},
			Tolerations: []corev1.Toleration{{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}, {Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}},
			Volumes: []corev1.Volume{
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "config"}}}},
				{Name: "kube-api-access-" + suffix(5, "volume", w.name), VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}},
			},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, HostIP: nodeIP(at.node), HostIPs: []corev1.HostIP{{IP: nodeIP(at.node)}}, StartTime: &created, QOSClass: corev1.PodQOSBurstable, PodIP: at.podIP()},
	}
	if w.owner != nil {
		pod.OwnerReferences = []metav1.OwnerReference{*w.owner}
	}
	if w.hostNetwork {
		pod.Status.PodIP = nodeIP(at.node)
	}
	if w.ended {
		pod.Status.Phase, pod.Spec.RestartPolicy = corev1.PodSucceeded, corev1.RestartPolicyNever
	}
	pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	for _, t := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		status := corev1.ConditionTrue
		if w.ended && (t == corev1.ContainersReady || t == corev1.PodReady) {
			status = corev1.ConditionFalse
		}
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: t, Status: status, LastTransitionTime: started})
	}
	for i, name := range w.containers {
		c := container(w, i)
		pod.Spec.Containers = append(pod.Spec.Containers, c)
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, containerStatus(pod, c, started))
		if name == "proxy" { // a sidecar has an init container before it
			init := container(want{containers: []string{"proxy-init"}}, 0)
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, init)
			pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, ended(containerStatus(pod, init, started), started))
		}
	}
	if w.ended {
		for i, s := range pod.Status.ContainerStatuses {
			pod.Status.ContainerStatuses[i] = ended(s, started)
		}
	}
	p.Pods = append(p.Pods, pod)
	return pod
}

func container(w want, i int) corev1.Container {
	name := w.containers[i]
	c := corev1.Container{
		Name: name, Image: "registry.example.com/" + name + ":v1.4.2", ImagePullPolicy: corev1.PullIfNotPresent,
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: int32(8080 + 1000*i), Protocol: corev1.ProtocolTCP}, {Name: "metrics", ContainerPort: int32(9090 + 1000*i), Protocol: corev1.ProtocolTCP}},
		Env: []corev1.EnvVar{
			{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}},
			{Name: "LOG_LEVEL", Value: "info"}, {Name: "DATABASE_URL", Value: "postgres://db.example.com:5432/app"},
		},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
		},
		VolumeMounts:             []corev1.VolumeMount{{Name: "config", MountPath: "/etc/config", ReadOnly: true}},
		LivenessProbe:            &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP}}, PeriodSeconds: 10, FailureThreshold: 3},
		ReadinessProbe:           &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP}}, PeriodSeconds: 10, FailureThreshold: 3},
		TerminationMessagePath:   corev1.TerminationMessagePathDefault,
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
	}
	return c
}

func containerStatus(pod *corev1.Pod, c corev1.Container, started metav1.Time) corev1.ContainerStatus {
	yes := true
	s := corev1.ContainerStatus{
		Name: c.Name, Ready: true, Started: &yes, Image: c.Image, ImageID: fmt.Sprintf("%s@sha256:%x", c.Image[:len(c.Image)-len(":v1.4.2")], digest("image", c.Image)),
		ContainerID: ContainerID(pod, c.Name, 0), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}},
	}
	if digest("restarts", string(pod.UID), c.Name)[0] < 16 { // a few have been restarted
		s.RestartCount, s.ContainerID = 1, ContainerID(pod, c.Name, 1)
		s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", StartedAt: started, FinishedAt: started, ContainerID: ContainerID(pod, c.Name, 0)}
	}
	return s
}

// ContainerID is the id that a container of a pod has after a number of restarts.
func ContainerID(pod *corev1.Pod, container string, restart int) string {
	return fmt.Sprintf("containerd://%x", digest("container", string(pod.UID), container, fmt.Sprint(restart)))
}

func ended(s corev1.ContainerStatus, at metav1.Time) corev1.ContainerStatus {
	no := false
	s.Ready, s.Started = false, &no
	s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: at, FinishedAt: metav1.Time{Time: at.Add(time.Minute)}, ContainerID: s.ContainerID}}
	return s
}

// managed is what every object carries for server-side apply, and nobody here reads.
func managed(at metav1.Time) []metav1.ManagedFieldsEntry {
	return []metav1.ManagedFieldsEntry{
		{Manager: "kube-controller-manager", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &at, FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte(controllerFields)}},
		{Manager: "kubelet", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &at, FieldsType: "FieldsV1", Subresource: "status", FieldsV1: &metav1.FieldsV1{Raw: []byte(kubeletFields)}},
	}
}

const (
	controllerFields = `{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app.kubernetes.io/name":{},"f:app.kubernetes.io/version":{},"f:pod-template-hash":{}},"f:ownerReferences":{".":{}}},` +
		`"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:env":{".":{}},"f:image":{},"f:imagePullPolicy":{},"f:livenessProbe":{".":{},"f:failureThreshold":{},"f:httpGet":{".":{},"f:path":{},"f:port":{},"f:scheme":{}}},` +
		`"f:name":{},"f:ports":{".":{}},"f:resources":{".":{},"f:limits":{".":{},"f:memory":{}},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}},"f:terminationMessagePath":{},"f:volumeMounts":{".":{}}}},"f:dnsPolicy":{},"f:restartPolicy":{},"f:schedulerName":{},"f:volumes":{".":{}}}}`
	kubeletFields = `{"f:status":{"f:conditions":{"k:{\"type\":\"ContainersReady\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}},"k:{\"type\":\"Ready\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},` +
		`"f:containerStatuses":{},"f:hostIP":{},"f:hostIPs":{},"f:phase":{},"f:podIP":{},"f:podIPs":{".":{}},"f:startTime":{}}}`
)
