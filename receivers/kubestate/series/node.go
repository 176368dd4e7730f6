package series

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluiceio/sluice/kube"
)

type node = *corev1.Node

func nodes() Kind {
	return kindOf[node](kube.Nodes, "node",
		family("kube_node_info", "Information about a cluster node.", nodeInfo),
		created[node]("kube_node"),
		deleted[node]("kube_node"),
		family("kube_node_role", "The role of a cluster node.", func(p *Points, o node) {
			for _, key := range slices.Sorted(maps.Keys(o.Labels)) {
				if role, is := strings.CutPrefix(key, "node-role.kubernetes.io/"); is {
					p.Add(1, "role", role)
				}
			}
		}),
		number("kube_node_spec_unschedulable", "Whether a node can schedule new pods.", func(o node) float64 { return truth(o.Spec.Unschedulable) }),
		family("kube_node_spec_taint", "The taint of a cluster node.", func(p *Points, o node) {
			for _, t := range o.Spec.Taints {
				p.Add(1, "key", t.Key, "value", t.Value, "effect", string(t.Effect))
			}
		}),
		family("kube_node_status_condition", "The condition of a cluster node.", func(p *Points, o node) {
			for _, c := range o.Status.Conditions {
				p.conditions(string(c.Status), "status", "condition", string(c.Type))
			}
		}),
		family("kube_node_status_capacity", "The capacity for different resources of a node.", func(p *Points, o node) { amounts(p, o.Status.Capacity, "", "") }),
		family("kube_node_status_allocatable", "The allocatable for different resources of a node that are available for scheduling.", func(p *Points, o node) {
			amounts(p, o.Status.Allocatable, "", "")
		}),
	)
}

func nodeInfo(p *Points, o node) {
	i, address := &o.Status.NodeInfo, ""
	for _, a := range o.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			address = a.Address
			break
		}
	}
	p.Add(1, "kernel_version", i.KernelVersion, "os_image", i.OSImage, "container_runtime_version", i.ContainerRuntimeVersion, "kubelet_version", i.KubeletVersion,
		"provider_id", o.Spec.ProviderID, "pod_cidr", o.Spec.PodCIDR, "system_uuid", i.SystemUUID, "internal_ip", address)
}

type namespace = *corev1.Namespace

func namespaces() Kind {
	return kindOf[namespace](kube.Namespaces, "namespace",
		created[namespace]("kube_namespace"),
		family("kube_namespace_status_phase", "kubernetes namespace status phase.", func(p *Points, o namespace) {
			p.phases("phase", string(o.Status.Phase), "Active", "Terminating")
		}),
		family("kube_namespace_status_condition", "The condition of a namespace.", func(p *Points, o namespace) {
			for _, c := range o.Status.Conditions {
				p.conditions(string(c.Status), "status", "condition", string(c.Type))
			}
		}),
	)
}
