package series

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/kube"
)

type pod = *corev1.Pod

func pods() Kind {
	return withUID[pod](kindOf[pod](kube.Pods, "pod", append(podFamilies(), containerFamilies()...)...))
}

func podFamilies() []Family {
	return []Family{
		family("kube_pod_info", "Information about pod.", podInfo),
		owners[pod]("kube_pod", "Pod"),
		created[pod]("kube_pod"),
		deleted[pod]("kube_pod"),
		instant("kube_pod_start_time", "Start time in unix timestamp for a pod.", func(o pod) *metav1.Time { return o.Status.StartTime }),
		instant("kube_pod_completion_time", "Completion time in unix timestamp for a pod.", podEnd),
		family("kube_pod_restart_policy", "Describes the restart policy in use by this pod.", func(p *Points, o pod) {
			p.Add(1, "type", string(o.Spec.RestartPolicy))
		}),
		family("kube_pod_status_phase", "The pods current phase.", func(p *Points, o pod) {
			if o.Status.Phase != "" {
				p.phases("phase", string(o.Status.Phase), "Pending", "Succeeded", "Failed", "Unknown", "Running")
			}
		}),
		family("kube_pod_status_reason", "The pod status reasons", podReason),
		family("kube_pod_status_qos_class", "The pods current qosClass.", func(p *Points, o pod) {
			if o.Status.QOSClass != "" {
				p.phases("qos_class", string(o.Status.QOSClass), "BestEffort", "Burstable", "Guaranteed")
			}
		}),
		family("kube_pod_status_ready", "Describes whether the pod is ready to serve requests.", func(p *Points, o pod) {
			if c := condition(o, corev1.PodReady); c != nil {
				p.conditions(string(c.Status), "condition")
			}
		}),
		instant("kube_pod_status_ready_time", "Readiness achieved time in unix timestamp for a pod.", func(o pod) *metav1.Time { return since(o, corev1.PodReady) }),
		family("kube_pod_status_scheduled", "Describes the status of the scheduling process for the pod.", func(p *Points, o pod) {
			if c := condition(o, corev1.PodScheduled); c != nil {
				p.conditions(string(c.Status), "condition")
			}
		}),
		instant("kube_pod_status_scheduled_time", "Unix timestamp when pod moved into scheduled status", func(o pod) *metav1.Time { return since(o, corev1.PodScheduled) }),
		family("kube_pod_status_unschedulable", "Describes the unschedulable status for the pod.", func(p *Points, o pod) {
			if c := condition(o, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse {
				p.Add(1)
			}
		}),
		family("kube_pod_overhead_cpu_cores", "The pod overhead in regards to cpu cores associated with running a pod.", func(p *Points, o pod) { overhead(p, o, corev1.ResourceCPU) }),
		family("kube_pod_overhead_memory_bytes", "The pod overhead in regards to memory associated with running a pod.", func(p *Points, o pod) { overhead(p, o, corev1.ResourceMemory) }),
		family("kube_pod_spec_volumes_persistentvolumeclaims_info", "Information about persistentvolumeclaim volumes in a pod.", func(p *Points, o pod) {
			for _, v := range o.Spec.Volumes {
				if c := v.PersistentVolumeClaim; c != nil {
					p.Add(1, "volume", v.Name, "persistentvolumeclaim", c.ClaimName)
				}
			}
		}),
		family("kube_pod_spec_volumes_persistentvolumeclaims_readonly", "Describes whether a persistentvolumeclaim is mounted read only.", func(p *Points, o pod) {
			for _, v := range o.Spec.Volumes {
				if c := v.PersistentVolumeClaim; c != nil {
					p.Add(truth(c.ReadOnly), "volume", v.Name, "persistentvolumeclaim", c.ClaimName)
				}
			}
		}),
	}
}

func podInfo(p *Points, o pod) {
	kind, name := "", ""
	if by := metav1.GetControllerOfNoCopy(o); by != nil {
		kind, name = by.Kind, by.Name
	}
	p.Add(1, "host_ip", o.Status.HostIP, "pod_ip", o.Status.PodIP, "node", o.Spec.NodeName, "created_by_kind", kind, "created_by_name", name,
		"priority_class", o.Spec.PriorityClassName, "host_network", text(o.Spec.HostNetwork))
}

// podEnd is when the last container ended, if any has.
func podEnd(o pod) *metav1.Time {
	var last *metav1.Time
	for i := range o.Status.ContainerStatuses {
		if t := o.Status.ContainerStatuses[i].State.Terminated; t != nil && (last == nil || last.Before(&t.FinishedAt)) {
			last = &t.FinishedAt
		}
	}
	return last
}

// podReason also has zeros: a known way to find pods that hang while they end asks for NodeLost == 0.
func podReason(p *Points, o pod) {
	for _, reason := range []string{"Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError"} {
		p.Add(truth(o.Status.Reason == reason || endedBy(o, reason)), "reason", reason)
	}
}

func endedBy(o pod, reason string) bool {
	for i := range o.Status.ContainerStatuses {
		if t := o.Status.ContainerStatuses[i].State.Terminated; t != nil && t.Reason == reason {
			return true
		}
	}
	return false
}

func condition(o pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range o.Status.Conditions {
		if c := &o.Status.Conditions[i]; c.Type == t {
			return c
		}
	}
	return nil
}

// since is when a condition became true, if it is.
func since(o pod, t corev1.PodConditionType) *metav1.Time {
	if c := condition(o, t); c != nil && c.Status == corev1.ConditionTrue {
		return &c.LastTransitionTime
	}
	return nil
}

func overhead(p *Points, o pod, name corev1.ResourceName) {
	if q, has := o.Spec.Overhead[name]; has {
		p.Add(numberOf(q))
	}
}

// containerFamilies are those of containers and of init containers, whose names differ.
func containerFamilies() []Family {
	var out []Family
	for _, init := range []bool{false, true} {
		out = append(out, statusFamilies(init)...)
		out = append(out, resourceFamilies(init)...)
	}
	return out
}

func statusesOf(o pod, init bool) []corev1.ContainerStatus {
	if init {
		return o.Status.InitContainerStatuses
	}
	return o.Status.ContainerStatuses
}

func containersOf(o pod, init bool) []corev1.Container {
	if init {
		return o.Spec.InitContainers
	}
	return o.Spec.Containers
}

func prefix(init bool) (name, what string) {
	if init {
		return "kube_pod_init_container_", "init container"
	}
	return "kube_pod_container_", "container"
}

func statusFamilies(init bool) []Family {
	name, what := prefix(init)
	each := func(suffix, help string, f func(*Points, *corev1.ContainerStatus)) Family {
		return family(name+suffix, strings.ReplaceAll(help, "container", what), func(p *Points, o pod) {
			all := statusesOf(o, init)
			for i := range all {
				f(p, &all[i])
			}
		})
	}
	restarts := each("status_restarts_total", "The number of container restarts per container.", func(p *Points, s *corev1.ContainerStatus) {
		p.Add(float64(s.RestartCount), "container", s.Name)
	})
	restarts.Counter = true
	out := []Family{
		containerInfo(init),
		each("status_ready", "Describes whether the container's readiness check succeeded.", func(p *Points, s *corev1.ContainerStatus) {
			p.Add(truth(s.Ready), "container", s.Name)
		}),
		restarts,
		each("status_running", "Describes whether the container is currently in running state.", func(p *Points, s *corev1.ContainerStatus) {
			p.Add(truth(s.State.Running != nil), "container", s.Name)
		}),
		each("status_waiting", "Describes whether the container is currently in waiting state.", func(p *Points, s *corev1.ContainerStatus) {
			p.Add(truth(s.State.Waiting != nil), "container", s.Name)
		}),
		each("status_waiting_reason", "Describes the reason the container is currently in waiting state.", func(p *Points, s *corev1.ContainerStatus) {
			if w := s.State.Waiting; w != nil {
				p.Add(1, "container", s.Name, "reason", w.Reason)
			}
		}),
		each("status_terminated", "Describes whether the container is currently in terminated state.", func(p *Points, s *corev1.ContainerStatus) {
			p.Add(truth(s.State.Terminated != nil), "container", s.Name)
		}),
		each("status_terminated_reason", "Describes the reason the container is currently in terminated state.", func(p *Points, s *corev1.ContainerStatus) {
			if t := s.State.Terminated; t != nil {
				p.Add(1, "container", s.Name, "reason", t.Reason)
			}
		}),
		each("status_last_terminated_reason", "Describes the last reason the container was in terminated state.", func(p *Points, s *corev1.ContainerStatus) {
			if t := s.LastTerminationState.Terminated; t != nil {
				p.Add(1, "container", s.Name, "reason", t.Reason)
			}
		}),
	}
	if init {
		return out
	}
	return append(out,
		each("status_last_terminated_exitcode", "Describes the exit code for the last container in terminated state.", func(p *Points, s *corev1.ContainerStatus) {
			if t := s.LastTerminationState.Terminated; t != nil {
				p.Add(float64(t.ExitCode), "container", s.Name)
			}
		}),
		each("status_last_terminated_timestamp", "Last terminated time for a pod container in unix timestamp.", func(p *Points, s *corev1.ContainerStatus) {
			if t := s.LastTerminationState.Terminated; t != nil && !t.FinishedAt.IsZero() {
				p.Add(float64(t.FinishedAt.Unix()), "container", s.Name)
			}
		}),
		each("state_started", "Start time in unix timestamp for a pod container.", func(p *Points, s *corev1.ContainerStatus) {
			switch {
			case s.State.Running != nil && !s.State.Running.StartedAt.IsZero():
				p.Add(float64(s.State.Running.StartedAt.Unix()), "container", s.Name)
			case s.State.Terminated != nil && !s.State.Terminated.StartedAt.IsZero():
				p.Add(float64(s.State.Terminated.StartedAt.Unix()), "container", s.Name)
			}
		}),
	)
}

func containerInfo(init bool) Family {
	name, what := prefix(init)
	article := "a "
	if init {
		article = "an "
	}
	return family(name+"info", "Information about "+article+what+" in a pod.", func(p *Points, o pod) {
		all, specs := statusesOf(o, init), containersOf(o, init)
		for i := range all {
			s, image, policy := &all[i], "", ""
			for j := range specs {
				if c := &specs[j]; c.Name == s.Name {
					image = c.Image
					if init && c.RestartPolicy != nil { // of a sidecar
						policy = string(*c.RestartPolicy)
					}
				}
			}
			p.Add(1, "container", s.Name, "image_spec", image, "image", s.Image, "image_id", s.ImageID, "container_id", s.ContainerID, "restart_policy", policy)
		}
	})
}

func resourceFamilies(init bool) []Family {
	name, what := prefix(init)
	return []Family{
		family(name+"resource_requests", "The number of requested request resource by a "+what+".", func(p *Points, o pod) {
			all := containersOf(o, init)
			for i := range all {
				amounts(p, all[i].Resources.Requests, all[i].Name, o.Spec.NodeName)
			}
		}),
		family(name+"resource_limits", "The number of requested limit resource by a "+what+".", func(p *Points, o pod) {
			all := containersOf(o, init)
			for i := range all {
				amounts(p, all[i].Resources.Limits, all[i].Name, o.Spec.NodeName)
			}
		}),
	}
}
