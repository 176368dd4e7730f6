package kubesd

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// oddObjects are what a tidy cluster does not have: each is a branch of a builder.
func oddObjects() []runtime.Object {
	var out []runtime.Object
	put := func(o ...runtime.Object) { out = append(out, o...) }
	put(oddNodes()...)
	put(oddPods()...)
	put(oddServices()...)
	put(oddEndpoints()...)
	put(oddSlices()...)
	put(oddIngresses()...)
	put(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "odd", Labels: map[string]string{"team.example/name": "odd"}, Annotations: map[string]string{"note": "ä\nb"}}})
	return out
}

func at(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "odd", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app.kubernetes.io/name": name, "Tier": "x"}, Annotations: map[string]string{"prometheus.io/port": "1", "e": ""}}
}

func ownedBy(m metav1.ObjectMeta, kind, name string) metav1.ObjectMeta {
	m.OwnerReferences = []metav1.OwnerReference{{Kind: "Noise", Name: "noise", UID: "n"}, {APIVersion: "x/v1", Kind: kind, Name: name, UID: types.UID(name), Controller: new(true)}}
	return m
}

func oddNodes() []runtime.Object {
	node := func(name string, port int32, addresses ...corev1.NodeAddress) *corev1.Node {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name, "only": name}},
			Spec:       corev1.NodeSpec{ProviderID: "cloud:///" + name},
			Status: corev1.NodeStatus{Addresses: addresses, DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: port}},
				Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "r"}, {Type: "Kernel-Deadlock", Status: corev1.ConditionUnknown}}},
		}
	}
	return []runtime.Object{
		node("odd-1", 10250, corev1.NodeAddress{Type: corev1.NodeHostName, Address: "h"}, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "10.9.0.1"}, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "fd00::1"}),
		node("odd-2", 0, corev1.NodeAddress{Type: corev1.NodeExternalDNS, Address: "n.example"}, corev1.NodeAddress{Type: corev1.NodeHostName, Address: "n"}),
		node("odd-3", 10255, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "fd00::3"}, corev1.NodeAddress{Type: "Some-Other", Address: "o"}),
		node("odd-4", 10250, corev1.NodeAddress{Type: "LegacyHostIP", Address: "10.9.0.4"}),
		node("no-address", 10250),
	}
}

func oddPods() []runtime.Object {
	always := corev1.ContainerRestartPolicyAlways
	full := &corev1.Pod{ObjectMeta: ownedBy(at("full"), "ReplicaSet", "full-abc")}
	full.Spec = corev1.PodSpec{NodeName: "odd-1", Containers: []corev1.Container{
		{Name: "web", Image: "web:1", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}, {Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP}}},
		{Name: "twin", Image: "twin:1", Ports: []corev1.ContainerPort{{Name: "same", ContainerPort: 8080, Protocol: corev1.ProtocolSCTP}}},
		{Name: "plain", Image: "plain:1"},
	}, InitContainers: []corev1.Container{
		{Name: "proxy", Image: "proxy:1", RestartPolicy: &always, Ports: []corev1.ContainerPort{{Name: "envoy", ContainerPort: 15090}}},
		{Name: "setup", Image: "setup:1"},
	}}
	full.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.8.0.1", PodIPs: []corev1.PodIP{{IP: "10.8.0.1"}, {IP: "fd00:8::1"}}, HostIP: "10.9.0.1",
		Conditions:            []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: corev1.ConditionFalse}},
		ContainerStatuses:     []corev1.ContainerStatus{{Name: "twin", ContainerID: "containerd://2"}, {Name: "web", ContainerID: "containerd://1"}},
		InitContainerStatuses: []corev1.ContainerStatus{{Name: "proxy", ContainerID: "containerd://3"}, {Name: "web", ContainerID: "containerd://9"}}}
	pod := func(m metav1.ObjectMeta, node, ip string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: m, Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "i", Ports: []corev1.ContainerPort{{ContainerPort: 9000, Protocol: corev1.ProtocolTCP}}}}},
			Status: corev1.PodStatus{Phase: phase, PodIP: ip}}
	}
	return []runtime.Object{
		full,
		pod(at("pending"), "", "", corev1.PodPending),
		pod(at("elsewhere"), "nowhere", "10.8.0.3", corev1.PodRunning),
		pod(ownedBy(at("six"), "StatefulSet", "six"), "odd-3", "fd00:8::6", corev1.PodRunning),
		pod(ownedBy(at("run"), "Job", "run-123"), "odd-2", "10.8.0.5", corev1.PodSucceeded),
		pod(ownedBy(at("alone"), "Job", "alone"), "odd-2", "10.8.0.6", corev1.PodFailed),
		pod(ownedBy(at("bare"), "ReplicaSet", "bare"), "odd-1", "10.8.0.7", corev1.PodRunning),
		pod(ownedBy(at("lost"), "ReplicaSet", "not-there"), "odd-1", "10.8.0.8", corev1.PodRunning),
		&appsv1.ReplicaSet{ObjectMeta: ownedBy(at("full-abc"), "Deployment", "full")},
		&appsv1.ReplicaSet{ObjectMeta: at("bare")},
		&batchv1.Job{ObjectMeta: ownedBy(at("run-123"), "CronJob", "run")},
		&batchv1.Job{ObjectMeta: at("alone")},
	}
}

func oddServices() []runtime.Object {
	service := func(name string, spec corev1.ServiceSpec) *corev1.Service {
		return &corev1.Service{ObjectMeta: at(name), Spec: spec}
	}
	ports := []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}, {Port: 53, Protocol: corev1.ProtocolUDP}}
	dual := corev1.IPFamilyPolicyPreferDualStack
	single := corev1.IPFamilyPolicySingleStack
	return []runtime.Object{
		service("headless", corev1.ServiceSpec{ClusterIP: "None", Type: corev1.ServiceTypeClusterIP, Ports: ports}),
		service("outside", corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "db.example", Ports: ports}),
		service("balanced", corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, ClusterIP: "10.7.0.3", LoadBalancerIP: "1.2.3.4", Ports: ports}),
		service("without", corev1.ServiceSpec{ClusterIP: "10.7.0.4"}),
		service("dual", corev1.ServiceSpec{ClusterIP: "10.7.0.5", IPFamilyPolicy: &dual, IPFamilies: []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}, Ports: ports}),
		service("single", corev1.ServiceSpec{ClusterIP: "10.7.0.6", IPFamilyPolicy: &single, IPFamilies: []corev1.IPFamily{corev1.IPv6Protocol}, Ports: ports}),
	}
}

func ref(kind, name string) *corev1.ObjectReference {
	r := &corev1.ObjectReference{Kind: kind, Name: name}
	if kind == "Pod" {
		r.Namespace = "odd"
	}
	return r
}

//nolint:staticcheck // the role's objects
func oddEndpoints() []runtime.Object {
	ports := []corev1.EndpointPort{{Name: "http", Port: 8080, Protocol: corev1.ProtocolTCP}, {Port: 9999, Protocol: corev1.ProtocolUDP}}
	over := at("headless")
	over.Labels[corev1.EndpointsOverCapacity] = "truncated"
	return []runtime.Object{
		&corev1.Endpoints{ObjectMeta: over, Subsets: []corev1.EndpointSubset{
			{Ports: ports, Addresses: []corev1.EndpointAddress{{IP: "10.8.0.1", NodeName: new("odd-1"), TargetRef: ref("Pod", "full"), Hostname: "full-0"}, {IP: "10.8.0.99"}, {IP: "fd00:8::6", TargetRef: ref("Pod", "six")}},
				NotReadyAddresses: []corev1.EndpointAddress{{IP: "10.8.0.1", NodeName: new("odd-1"), TargetRef: ref("Pod", "full")}, {IP: "10.8.0.5", NodeName: new("odd-2"), TargetRef: ref("Pod", "run")}}},
			{Ports: []corev1.EndpointPort{{Name: "envoy", Port: 15090}}, Addresses: []corev1.EndpointAddress{{IP: "10.8.0.1", TargetRef: ref("Pod", "full")}}},
			{Ports: ports, Addresses: []corev1.EndpointAddress{{IP: "10.9.0.3", TargetRef: ref("Node", "odd-3")}, {IP: "10.9.0.4", NodeName: new("odd-4"), TargetRef: ref("Node", "odd-3")}, {IP: "10.8.0.4", TargetRef: ref("Pod", "not-there")}, {IP: "10.8.0.7", TargetRef: ref("Pod", "pending")}}},
		}},
		&corev1.Endpoints{ObjectMeta: at("no-service"), Subsets: []corev1.EndpointSubset{{Ports: ports[:1], Addresses: []corev1.EndpointAddress{{IP: "10.8.0.8", NodeName: new("nowhere"), TargetRef: ref("Pod", "alone")}}}}},
		&corev1.Endpoints{ObjectMeta: at("without")},
	}
}

func oddSlices() []runtime.Object {
	slice := func(name, service string, kind discoveryv1.AddressType, ports []discoveryv1.EndpointPort, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
		m := at(name)
		if service != "" {
			m.Labels[discoveryv1.LabelServiceName] = service
		}
		return &discoveryv1.EndpointSlice{ObjectMeta: m, AddressType: kind, Ports: ports, Endpoints: endpoints}
	}
	tcp, udp := corev1.ProtocolTCP, corev1.ProtocolUDP
	ports := []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(8080)), Protocol: &tcp, AppProtocol: new("h2c")}, {Port: new(int32(9999)), Protocol: &udp}, {Name: new("any")}}
	pod := func(ip, name, node string) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{ip}, TargetRef: ref("Pod", name), NodeName: &node, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}
	}
	rich := pod("10.8.0.1", "full", "odd-1")
	rich.Hostname, rich.Zone = new("full-0"), new("zone-a")
	rich.DeprecatedTopology = map[string]string{"topology.kubernetes.io/zone": "z"}
	rich.Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)}
	return []runtime.Object{
		slice("headless-1", "headless", discoveryv1.AddressTypeIPv4, ports, rich, discoveryv1.Endpoint{Addresses: []string{"10.8.0.98", "10.8.0.99"}}, pod("10.8.0.5", "run", "odd-2")),
		slice("headless-2", "headless", discoveryv1.AddressTypeIPv4, ports[:1], pod("10.8.0.1", "full", "odd-1"), pod("10.8.0.9", "not-there", "odd-1"), pod("10.8.0.7", "pending", "no-such")),
		slice("nodes", "without", discoveryv1.AddressTypeIPv4, ports, discoveryv1.Endpoint{Addresses: []string{"10.9.0.3"}, TargetRef: ref("Node", "odd-3"), NodeName: new("odd-1")}),
		slice("dual-4", "dual", discoveryv1.AddressTypeIPv4, ports, pod("10.8.0.6", "six", "odd-3")),
		slice("dual-6", "dual", discoveryv1.AddressTypeIPv6, ports, pod("fd00:8::6", "six", "odd-3")),
		slice("single-4", "single", discoveryv1.AddressTypeIPv4, ports, pod("10.8.0.6", "six", "odd-3")),
		slice("names", "no-such-service", discoveryv1.AddressTypeFQDN, ports, discoveryv1.Endpoint{Addresses: []string{"a.example"}}),
		slice("own", "", discoveryv1.AddressTypeIPv6, ports[2:], pod("fd00:8::6", "six", "odd-3")),
		slice("empty", "headless", discoveryv1.AddressTypeIPv4, nil),
	}
}

func oddIngresses() []runtime.Object {
	http := func(paths ...string) networkingv1.IngressRuleValue {
		v := &networkingv1.HTTPIngressRuleValue{}
		for _, p := range paths {
			v.Paths = append(v.Paths, networkingv1.HTTPIngressPath{Path: p})
		}
		return networkingv1.IngressRuleValue{HTTP: v}
	}
	return []runtime.Object{&networkingv1.Ingress{
		ObjectMeta: at("front"),
		Spec: networkingv1.IngressSpec{IngressClassName: new("nginx"), TLS: []networkingv1.IngressTLS{{Hosts: []string{"a.example", "*.wild.example"}}, {Hosts: []string{"b.example"}}}, Rules: []networkingv1.IngressRule{
			{Host: "a.example", IngressRuleValue: http("/", "/x")}, {Host: "b.example", IngressRuleValue: http("")}, {Host: "c.example", IngressRuleValue: http("/c")},
			{Host: "one.wild.example", IngressRuleValue: http("/w")}, {Host: "wild.example", IngressRuleValue: http("/w")}, {Host: "a.b.wild.example", IngressRuleValue: http("/w")},
			{Host: "none.example"}, {Host: "no-paths.example", IngressRuleValue: http()}, {IngressRuleValue: http("/any")},
		}},
	}, &networkingv1.Ingress{ObjectMeta: at("star"), Spec: networkingv1.IngressSpec{TLS: []networkingv1.IngressTLS{{Hosts: []string{"*"}}}, Rules: []networkingv1.IngressRule{
		{Host: "", IngressRuleValue: http("/")}, {Host: "x", IngressRuleValue: http("/")}, {Host: "x.y", IngressRuleValue: http("/")},
	}}}}
}
