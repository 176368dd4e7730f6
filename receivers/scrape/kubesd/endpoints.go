package kubesd

import (
	"maps"
	"net"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluiceio/sluice/kube"
)

const (
	endpointNodeNameLabel     = prefix + "endpoint_node_name"
	endpointHostnameLabel     = prefix + "endpoint_hostname"
	endpointReadyLabel        = prefix + "endpoint_ready"
	endpointPortNameLabel     = prefix + "endpoint_port_name"
	endpointPortProtocolLabel = prefix + "endpoint_port_protocol"
	endpointTargetKindLabel   = prefix + "endpoint_address_target_kind"
	endpointTargetNameLabel   = prefix + "endpoint_address_target_name"
)

// endpoints makes a target of each address and port of an Endpoints object, and of each other port of its pods.
func (b *builder) endpoints(o any) *targetgroup.Group {
	e, is := o.(*corev1.Endpoints) //nolint:staticcheck // the role's object
	if !is {
		return nil
	}
	l := model.LabelSet{namespaceLabel: model.LabelValue(e.Namespace)}
	g := &targetgroup.Group{Source: b.role.label + e.Namespace + "/" + e.Name, Labels: l}
	if s := kube.ServiceOf(b.get(onService, e.Namespace+"/"+e.Name)); s != nil {
		b.serviceLabels(l, s)
	}
	b.named(l, e, RoleEndpoints)
	b.namespace(l, e.Namespace)
	if v := e.Labels[corev1.EndpointsOverCapacity]; v == "truncated" || v == "warning" {
		b.log.Warn(`an Endpoints object has more than 1000 addresses, and may lack some: use "role: endpointslice"`, "endpoints", e.Namespace+"/"+e.Name)
	}
	m := &members{b: b, group: g, seen: map[string]*member{}}
	for i := range e.Subsets {
		s := &e.Subsets[i]
		for j := range s.Ports {
			for k := range s.Addresses {
				m.address(&s.Addresses[k], &s.Ports[j], "true")
			}
			for k := range s.NotReadyAddresses {
				m.address(&s.NotReadyAddresses[k], &s.Ports[j], "false")
			}
		}
	}
	m.otherPorts()
	return g
}

//nolint:staticcheck // the role's object
func (m *members) address(a *corev1.EndpointAddress, p *corev1.EndpointPort, ready model.LabelValue) {
	target := model.LabelSet{model.AddressLabel: model.LabelValue(net.JoinHostPort(a.IP, port(p.Port)))}
	m.addressLabels(target, a, p, ready)
	m.join(target, m.podOf(a.TargetRef), &p.Port)
	if _, has := target[containerPortProtocolLabel]; has { // of the Endpoints object, and not of the container as with the other roles
		target[containerPortProtocolLabel] = model.LabelValue(p.Protocol)
	}
}

//nolint:staticcheck // the role's object
func (m *members) addressLabels(target model.LabelSet, a *corev1.EndpointAddress, p *corev1.EndpointPort, ready model.LabelValue) {
	target[endpointPortNameLabel], target[endpointPortProtocolLabel] = model.LabelValue(p.Name), model.LabelValue(p.Protocol)
	target[endpointReadyLabel] = ready
	if a.TargetRef != nil {
		target[endpointTargetKindLabel], target[endpointTargetNameLabel] = model.LabelValue(a.TargetRef.Kind), model.LabelValue(a.TargetRef.Name)
	}
	if a.Hostname != "" {
		target[endpointHostnameLabel] = model.LabelValue(a.Hostname)
	}
	switch {
	case a.NodeName != nil:
		target[endpointNodeNameLabel] = model.LabelValue(*a.NodeName)
		m.b.node(target, *a.NodeName)
	case a.TargetRef != nil && a.TargetRef.Kind == "Node":
		m.b.node(target, a.TargetRef.Name)
	}
}

// members are the pods behind the addresses of a group.
type members struct {
	b     *builder
	group *targetgroup.Group
	seen  map[string]*member
	order []*member
}

type member struct {
	pod    *corev1.Pod
	labels model.LabelSet
	ports  map[int32]struct{} // that have a target
}

// podOf returns the pod that an address refers to; nil if it is none, or not known.
func (m *members) podOf(ref *corev1.ObjectReference) *corev1.Pod {
	if ref == nil || ref.Kind != "Pod" {
		return nil
	}
	p, _ := m.b.get(onPod, ref.Namespace+"/"+ref.Name).(*corev1.Pod)
	return p
}

// join adds a target to the group, with what is known of its pod and of the container that has the port.
func (m *members) join(target model.LabelSet, p *corev1.Pod, number *int32) {
	m.group.Targets = append(m.group.Targets, target)
	if p == nil {
		return
	}
	key := p.Namespace + "/" + p.Name
	is := m.seen[key]
	if is == nil {
		is = &member{pod: p, labels: model.LabelSet{}, ports: map[int32]struct{}{}}
		m.b.podLabels(is.labels, p)
		m.seen[key], m.order = is, append(m.order, is)
	}
	maps.Copy(target, is.labels)
	if number == nil {
		return
	}
	is.ports[*number] = struct{}{}
	for c := range containers(p) { // of two with the port the last, as in Prometheus
		for i := range c.Ports {
			if c.Ports[i].ContainerPort == *number {
				containerPort(target, c, &c.Ports[i])
				break
			}
		}
	}
}

func containerPort(into model.LabelSet, c container, p *corev1.ContainerPort) {
	into[containerNameLabel] = model.LabelValue(c.Name)
	into[containerImageLabel] = model.LabelValue(c.Image)
	into[containerPortNameLabel] = model.LabelValue(p.Name)
	into[containerPortNumberLabel] = model.LabelValue(port(p.ContainerPort))
	into[containerPortProtocolLabel] = model.LabelValue(p.Protocol)
	into[containerInitLabel] = boolean(c.init)
}

// otherPorts adds targets of the pods' ports that no address names.
func (m *members) otherPorts() {
	for _, is := range m.order {
		if is.pod.Status.PodIP == "" {
			continue
		}
		for c := range containers(is.pod) {
			for i := range c.Ports {
				p := &c.Ports[i]
				if _, has := is.ports[p.ContainerPort]; has {
					continue
				}
				target := is.labels.Clone()
				target[model.AddressLabel] = model.LabelValue(net.JoinHostPort(is.pod.Status.PodIP, port(p.ContainerPort)))
				containerPort(target, c, p)
				m.group.Targets = append(m.group.Targets, target)
			}
		}
	}
}
