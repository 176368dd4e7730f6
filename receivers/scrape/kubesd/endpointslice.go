package kubesd

import (
	"net"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/util/strutil"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/sluiceio/sluice/kube"
)

const (
	sliceAddressTypeLabel     = prefix + "endpointslice_address_type"
	slicePortLabel            = prefix + "endpointslice_port"
	slicePortNameLabel        = prefix + "endpointslice_port_name"
	slicePortProtocolLabel    = prefix + "endpointslice_port_protocol"
	slicePortAppProtocolLabel = prefix + "endpointslice_port_app_protocol"
	sliceReadyLabel           = prefix + "endpointslice_endpoint_conditions_ready"
	sliceServingLabel         = prefix + "endpointslice_endpoint_conditions_serving"
	sliceTerminatingLabel     = prefix + "endpointslice_endpoint_conditions_terminating"
	sliceZoneLabel            = prefix + "endpointslice_endpoint_zone"
	sliceHostnameLabel        = prefix + "endpointslice_endpoint_hostname"
	sliceNodeNameLabel        = prefix + "endpointslice_endpoint_node_name"
	sliceTargetKindLabel      = prefix + "endpointslice_address_target_kind"
	sliceTargetNameLabel      = prefix + "endpointslice_address_target_name"
	sliceTopologyPrefix       = prefix + "endpointslice_endpoint_topology_"
)

// slice makes a target of each address and port of an EndpointSlice, and of each other port of its pods.
func (b *builder) slice(o any) *targetgroup.Group {
	e, is := o.(*discoveryv1.EndpointSlice)
	if !is {
		return nil
	}
	l := model.LabelSet{namespaceLabel: model.LabelValue(e.Namespace), sliceAddressTypeLabel: model.LabelValue(e.AddressType)}
	g := &targetgroup.Group{Source: b.role.label + e.Namespace + "/" + e.Name, Labels: l}
	b.named(l, e, RoleEndpointSlice)
	var s *corev1.Service
	if name, has := e.Labels[discoveryv1.LabelServiceName]; has {
		if s = kube.ServiceOf(b.get(onService, e.Namespace+"/"+name)); s != nil {
			b.serviceLabels(l, s)
		}
	}
	b.namespace(l, e.Namespace)
	if s != nil && isSecondFamily(s, string(e.AddressType)) {
		return g
	}
	m := &members{b: b, group: g, seen: map[string]*member{}}
	for i := range e.Endpoints {
		for j := range e.Ports {
			for _, address := range e.Endpoints[i].Addresses {
				m.endpoint(address, &e.Endpoints[i], &e.Ports[j])
			}
		}
	}
	m.otherPorts()
	return g
}

// isSecondFamily reports whether addresses of this type are those of the second family of a dual-stack service: the first slice has the
// same endpoints.
func isSecondFamily(s *corev1.Service, addressType string) bool {
	policy := s.Spec.IPFamilyPolicy
	if policy == nil || *policy != corev1.IPFamilyPolicyPreferDualStack && *policy != corev1.IPFamilyPolicyRequireDualStack {
		return false
	}
	return len(s.Spec.IPFamilies) > 0 && addressType != string(s.Spec.IPFamilies[0])
}

func (m *members) endpoint(address string, e *discoveryv1.Endpoint, p *discoveryv1.EndpointPort) {
	target := model.LabelSet{model.AddressLabel: model.LabelValue(address)}
	if p.Port != nil {
		target[model.AddressLabel] = model.LabelValue(net.JoinHostPort(address, port(*p.Port)))
	}
	m.endpointLabels(target, e, p)
	m.join(target, m.podOf(e.TargetRef), p.Port)
}

func (m *members) endpointLabels(target model.LabelSet, e *discoveryv1.Endpoint, p *discoveryv1.EndpointPort) {
	if p.Port != nil {
		target[slicePortLabel] = model.LabelValue(port(*p.Port))
	}
	text := func(label model.LabelName, value *string) {
		if value != nil {
			target[label] = model.LabelValue(*value)
		}
	}
	condition := func(label model.LabelName, value *bool) {
		if value != nil {
			target[label] = boolean(*value)
		}
	}
	text(slicePortNameLabel, p.Name)
	text(slicePortProtocolLabel, (*string)(p.Protocol))
	text(slicePortAppProtocolLabel, p.AppProtocol)
	condition(sliceReadyLabel, e.Conditions.Ready)
	condition(sliceServingLabel, e.Conditions.Serving)
	condition(sliceTerminatingLabel, e.Conditions.Terminating)
	text(sliceHostnameLabel, e.Hostname)
	text(sliceNodeNameLabel, e.NodeName)
	text(sliceZoneLabel, e.Zone)
	if e.TargetRef != nil {
		target[sliceTargetKindLabel], target[sliceTargetNameLabel] = model.LabelValue(e.TargetRef.Kind), model.LabelValue(e.TargetRef.Name)
	}
	for key, value := range e.DeprecatedTopology { // of v1beta1
		key = strutil.SanitizeLabelName(key)
		target[model.LabelName(sliceTopologyPrefix+key)], target[model.LabelName(sliceTopologyPrefix+"present_"+key)] = model.LabelValue(value), present
	}
	switch {
	case e.TargetRef != nil && e.TargetRef.Kind == "Node":
		m.b.node(target, e.TargetRef.Name)
	case e.NodeName != nil:
		m.b.node(target, *e.NodeName)
	}
}
