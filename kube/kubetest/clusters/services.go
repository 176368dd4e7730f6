package clusters

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// service makes the i-th service with its endpoints; those beyond the number of deployments choose nothing.
func (p *plan) service(i int) {
	name := fmt.Sprintf("web-%04d", i)
	var pods []*corev1.Pod
	if i < len(p.deployments) {
		pods = p.deployments[i].pods
	}
	ip := fmt.Sprintf("10.%d.%d.%d", 200+i/62500, i/250%250, 1+i%250)
	s := &corev1.Service{ObjectMeta: object("service", team(i), name, map[string]string{"app.kubernetes.io/name": name})}
	s.Generation = 0
	if i%4 == 0 {
		s.Annotations = map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "9090"}
	}
	s.Spec = corev1.ServiceSpec{
		Type: corev1.ServiceTypeClusterIP, ClusterIP: ip, ClusterIPs: []string{ip}, Selector: map[string]string{"app.kubernetes.io/name": name},
		IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}, SessionAffinity: corev1.ServiceAffinityNone,
		Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http"), Protocol: corev1.ProtocolTCP}, {Name: "metrics", Port: 9090, TargetPort: intstr.FromString("metrics"), Protocol: corev1.ProtocolTCP}},
	}
	p.Services = append(p.Services, s)
	p.endpoints(s, pods)
	const most = 100 // endpoints in a slice, as the controller has it
	for from := 0; from == 0 || from < len(pods); from += most {
		p.slice(s, pods[from:min(len(pods), from+most)], from/most)
	}
}

func (p *plan) slice(s *corev1.Service, pods []*corev1.Pod, n int) {
	e := &discoveryv1.EndpointSlice{
		ObjectMeta:  object("endpointslice", s.Namespace, s.Name+"-"+suffix(5, "slice", s.Name, fmt.Sprint(n)), s.Labels),
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	e.Labels[discoveryv1.LabelServiceName], e.Labels[discoveryv1.LabelManagedBy] = s.Name, "endpointslice-controller.k8s.io"
	e.OwnerReferences = []metav1.OwnerReference{ownedBy("v1", "Service", s.ObjectMeta)}
	for _, port := range s.Spec.Ports {
		number := int32(8080)
		if port.Name == "metrics" {
			number = 9090
		}
		e.Ports = append(e.Ports, discoveryv1.EndpointPort{Name: new(port.Name), Port: new(number), Protocol: new(corev1.ProtocolTCP)})
	}
	for _, pod := range pods {
		e.Endpoints = append(e.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{pod.Status.PodIP}, NodeName: new(pod.Spec.NodeName), Zone: new(p.zones[pod.Spec.NodeName]), TargetRef: reference(pod),
			Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
		})
	}
	p.EndpointSlices = append(p.EndpointSlices, e)
}

func (p *plan) endpoints(s *corev1.Service, pods []*corev1.Pod) {
	e := &corev1.Endpoints{ObjectMeta: object("endpoints", s.Namespace, s.Name, s.Labels)} //nolint:staticcheck // see Objects
	e.Generation = 0
	e.Annotations = map[string]string{corev1.EndpointsLastChangeTriggerTime: Born.Format(time.RFC3339)}
	if len(pods) > 0 {
		subset := corev1.EndpointSubset{Ports: []corev1.EndpointPort{{Name: "http", Port: 8080, Protocol: corev1.ProtocolTCP}, {Name: "metrics", Port: 9090, Protocol: corev1.ProtocolTCP}}} //nolint:staticcheck // see Objects
		for _, pod := range pods {
			subset.Addresses = append(subset.Addresses, corev1.EndpointAddress{IP: pod.Status.PodIP, NodeName: new(pod.Spec.NodeName), TargetRef: reference(pod)}) //nolint:staticcheck // see Objects
		}
		e.Subsets = append(e.Subsets, subset)
	}
	p.Endpoints = append(p.Endpoints, e)
}

func reference(pod *corev1.Pod) *corev1.ObjectReference {
	return &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
}
