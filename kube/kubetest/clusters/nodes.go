package clusters

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (p *plan) node(i, pods int) {
	name := NodeName(i)
	zone := string(rune('a' + i%3))
	resources := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"), corev1.ResourcePods: *resource.NewQuantity(int64(max(110, pods)), resource.DecimalSI),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: UID("node", name), CreationTimestamp: metav1.Time{Time: Born},
			Labels: map[string]string{
				corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64", corev1.LabelInstanceTypeStable: "m6i.2xlarge",
				corev1.LabelTopologyRegion: "eu-west-1", corev1.LabelTopologyZone: "eu-west-1" + zone, "node.kubernetes.io/pool": "general",
			},
			Annotations: map[string]string{"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true"},
		},
		Spec: corev1.NodeSpec{ProviderID: fmt.Sprintf("aws:///eu-west-1%s/i-%x", zone, digest("instance", name)), PodCIDR: fmt.Sprintf("10.%d.%d.0/24", 64+i/256, i%256)},
		Status: corev1.NodeStatus{
			Capacity: resources, Allocatable: resources,
			Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: nodeIP(i)}, {Type: corev1.NodeHostName, Address: name}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: 10250}},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID: fmt.Sprintf("%x", digest("machine", name))[:32], SystemUUID: string(UID("system", name)), BootID: string(UID("boot", name)),
				KernelVersion: "6.12.40", OSImage: "Bottlerocket OS 1.45.0", ContainerRuntimeVersion: "containerd://2.1.4", KubeletVersion: "v1.35.4", OperatingSystem: "linux", Architecture: "amd64",
			},
		},
	}
	for _, c := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure, corev1.NodeReady} {
		status := corev1.ConditionFalse
		if c == corev1.NodeReady {
			status = corev1.ConditionTrue
		}
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: c, Status: status, Reason: "KubeletStatus", LastTransitionTime: metav1.Time{Time: Born}, LastHeartbeatTime: metav1.Time{Time: Born}})
	}
	for n := range 20 {
		image := fmt.Sprintf("registry.example.com/image-%02d", n)
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{Names: []string{fmt.Sprintf("%s@sha256:%x", image, digest(image)), image + ":1.0"}, SizeBytes: 40 << 20})
	}
	p.Nodes = append(p.Nodes, node)
	p.zones[name] = node.Labels[corev1.LabelTopologyZone]
}
