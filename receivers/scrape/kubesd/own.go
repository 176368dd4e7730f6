package kubesd

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/cache"

	"github.com/sluiceio/sluice/kube"
)

// With own_node, services and their endpoints are answered from the own node's pods: what a Service's selector chooses is what its
// controller writes into Endpoints and EndpointSlices. Each agent of 1,000 nodes watching all slices would have the API server send every
// change a thousand times.

// ownPods are the node's pods by namespace.
type ownPods struct {
	version atomic.Uint64 // rises before the groups are told of a change

	// Of the goroutine that builds:
	at    uint64 // the version of pods; 0: none
	pods  map[string][]*corev1.Pod
	shown map[string]struct{} // groups that have targets: of 5,000 services few have a pod here
}

// show reports whether a group is worth sending: it has targets, or had.
func (o *ownPods) show(key string, g *targetgroup.Group) bool {
	_, was := o.shown[key]
	if len(g.Targets) > 0 {
		o.shown[key] = struct{}{}
		return true
	}
	delete(o.shown, key)
	return was
}

// ownIn returns the pods of a namespace; the group has noted that it uses them before.
func (b *builder) ownIn(namespace string) []*corev1.Pod {
	o := b.own
	if v := o.version.Load() + 1; o.at != v {
		o.at, o.pods = v, map[string][]*corev1.Pod{}
		for _, stored := range b.stores[onPod].List() {
			if p, is := stored.(*corev1.Pod); is {
				o.pods[p.Namespace] = append(o.pods[p.Namespace], p)
			}
		}
		for _, pods := range o.pods {
			slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
		}
	}
	return o.pods[namespace]
}

// ownHandler tells the services that choose a pod, or chose it, of its change.
func (b *builder) ownHandler() cache.ResourceEventHandler {
	note := func(all ...any) {
		b.own.version.Add(1)
		for _, o := range all {
			if gone, is := o.(cache.DeletedFinalStateUnknown); is {
				o = gone.Obj
			}
			if p, is := o.(*corev1.Pod); is {
				b.chosenBy(p)
			}
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { note(o) }, DeleteFunc: func(o any) { note(o) },
		UpdateFunc: func(was, is any) {
			if !same(was, is, false) {
				note(was, is)
			}
		},
	}
}

func (b *builder) chosenBy(p *corev1.Pod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.users[object{onPod, p.Namespace}] {
		if s := kube.ServiceOf(b.stored(onService, key)); s == nil || chooses(s, p) {
			b.enqueue(key)
		}
	}
}

// chooses reports whether the service's selector chooses the pod; one without a selector chooses none.
func chooses(s *corev1.Service, p *corev1.Pod) bool {
	if len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName {
		return false
	}
	for k, v := range s.Spec.Selector {
		if have, is := p.Labels[k]; !is || have != v {
			return false
		}
	}
	return true
}

// chosen makes targets of the own node's pods that a service chooses, with the labels of the role as far as they are known without the
// Endpoints or EndpointSlice.
func (b *builder) chosen(o any) *targetgroup.Group {
	s := kube.ServiceOf(o)
	if s == nil {
		return nil
	}
	g := &targetgroup.Group{Source: b.role.label + s.Namespace + "/" + s.Name}
	if len(s.Spec.Selector) == 0 {
		return g
	}
	b.uses(object{onPod, s.Namespace})
	m := &members{b: b, group: g, seen: map[string]*member{}}
	for _, p := range b.ownIn(s.Namespace) {
		if chooses(s, p) {
			m.choose(s, p)
		}
	}
	if len(g.Targets) == 0 {
		return g
	}
	m.otherPorts()
	g.Labels = model.LabelSet{}
	b.serviceLabels(g.Labels, s)
	b.namespace(g.Labels, s.Namespace)
	switch b.config.Role {
	case RoleEndpoints: // its controller gives it the name and the labels of the service
		g.Labels[b.names.get(string(RoleEndpoints), "name").value] = model.LabelValue(s.Name)
		b.names.put(g.Labels, "endpoints_label", s.Labels)
	case RoleEndpointSlice:
		of := maps.Clone(s.Labels)
		if of == nil {
			of = map[string]string{}
		}
		of[discoveryv1.LabelServiceName] = s.Name
		b.names.put(g.Labels, "endpointslice_label", of)
		g.Labels[sliceAddressTypeLabel] = model.LabelValue(discoveryv1.AddressTypeIPv4)
		if len(s.Spec.IPFamilies) > 0 {
			g.Labels[sliceAddressTypeLabel] = model.LabelValue(s.Spec.IPFamilies[0])
		}
	}
	return g
}

// choose adds the targets of a pod, as the endpoint controllers do: one that has an address and has not ended, with the ports that the
// service's name.
func (m *members) choose(s *corev1.Service, p *corev1.Pod) {
	ip := addressOf(s, p)
	if ip == "" || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return
	}
	serving := ready(p) == "true"
	terminating := p.DeletionTimestamp != nil
	isReady := s.Spec.PublishNotReadyAddresses || serving && !terminating
	if terminating && !s.Spec.PublishNotReadyAddresses && m.b.config.Role != RoleEndpointSlice {
		return // only slices have it
	}
	for i := range s.Spec.Ports {
		sp := &s.Spec.Ports[i]
		number, is := targetPort(sp, p)
		if !is {
			continue
		}
		target := model.LabelSet{model.AddressLabel: model.LabelValue(net.JoinHostPort(ip, port(number)))}
		hostname := ""
		if p.Spec.Hostname != "" && p.Spec.Subdomain == s.Name {
			hostname = p.Spec.Hostname
		}
		if m.b.config.Role == RoleEndpointSlice {
			e := &discoveryv1.Endpoint{
				NodeName: &p.Spec.NodeName, TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name},
				Conditions: discoveryv1.EndpointConditions{Ready: &isReady, Serving: &serving, Terminating: &terminating},
			}
			if hostname != "" {
				e.Hostname = &hostname
			}
			m.endpointLabels(target, e, &discoveryv1.EndpointPort{Name: &sp.Name, Port: &number, Protocol: &sp.Protocol, AppProtocol: sp.AppProtocol})
		} else {
			m.addressLabels(target, &corev1.EndpointAddress{NodeName: &p.Spec.NodeName, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: p.Name}, Hostname: hostname}, //nolint:staticcheck // the role's object
				&corev1.EndpointPort{Name: sp.Name, Port: number, Protocol: sp.Protocol}, boolean(isReady)) //nolint:staticcheck // the role's object
		}
		if m.b.config.Role == RoleService {
			servicePort(target, s, sp)
		}
		m.join(target, p, &number)
		if _, has := target[containerPortProtocolLabel]; has && m.b.config.Role != RoleEndpointSlice {
			target[containerPortProtocolLabel] = model.LabelValue(sp.Protocol)
		}
	}
}

// addressOf is the pod's address of the service's first family.
func addressOf(s *corev1.Service, p *corev1.Pod) string {
	if len(s.Spec.IPFamilies) == 0 {
		return p.Status.PodIP
	}
	six := s.Spec.IPFamilies[0] == corev1.IPv6Protocol
	for _, ip := range append([]corev1.PodIP{{IP: p.Status.PodIP}}, p.Status.PodIPs...) {
		if a, err := netip.ParseAddr(ip.IP); err == nil && a.Is6() == six {
			return ip.IP
		}
	}
	return ""
}

// targetPort is the number of the port of a pod that a service's port leads to.
func targetPort(sp *corev1.ServicePort, p *corev1.Pod) (number int32, is bool) {
	if sp.TargetPort.Type == intstr.Int {
		if n := sp.TargetPort.IntVal; n != 0 {
			return n, true
		}
		return sp.Port, true
	}
	if sp.TargetPort.StrVal == "" {
		return sp.Port, true
	}
	for c := range containers(p) {
		if c.init && (c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways) {
			continue // it has ended
		}
		for i := range c.Ports {
			if c.Ports[i].Name == sp.TargetPort.StrVal && c.Ports[i].Protocol == sp.Protocol {
				return c.Ports[i].ContainerPort, true
			}
		}
	}
	return 0, false
}

// lookAgain marks the groups that are made of what is fetched, if any of it changed or has its first answer now. To ask for it keeps it
// from being forgotten, so that a change of its labels is seen (package kube looks every five minutes).
func (b *builder) lookAgain() {
	f := b.watches.fetched
	var names []string
	b.mu.Lock()
	for o := range b.users {
		if o.kind == onNamespace {
			names = append(names, o.key)
		}
	}
	b.mu.Unlock()
	for _, name := range names {
		f.namespaces.Get("", name)
	}
	answered := f.namespaces.Synced()
	version := f.namespaces.Version()
	if version == f.seen && !(b.waiting && answered) {
		return
	}
	f.seen, b.waiting = version, false
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range names {
		for key := range b.users[object{onNamespace, name}] {
			b.enqueue(key)
		}
	}
}
