package kubesd

import (
	"net"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluiceio/sluice/kube"
)

const (
	servicePortNameLabel       = prefix + "service_port_name"
	servicePortNumberLabel     = prefix + "service_port_number"
	servicePortProtocolLabel   = prefix + "service_port_protocol"
	serviceTypeLabel           = prefix + "service_type"
	serviceClusterIPLabel      = prefix + "service_cluster_ip"
	serviceLoadBalancerIPLabel = prefix + "service_loadbalancer_ip"
	serviceExternalNameLabel   = prefix + "service_external_name"
)

// service makes a target of each port of a service, by the name that cluster DNS has for it.
func (b *builder) service(o any) *targetgroup.Group {
	s := kube.ServiceOf(o)
	if s == nil {
		return nil
	}
	g := &targetgroup.Group{Source: b.role.label + s.Namespace + "/" + s.Name, Labels: model.LabelSet{}}
	b.serviceLabels(g.Labels, s)
	b.namespace(g.Labels, s.Namespace)
	for i := range s.Spec.Ports {
		target := model.LabelSet{
			model.AddressLabel: model.LabelValue(net.JoinHostPort(s.Name+"."+s.Namespace+".svc", port(s.Spec.Ports[i].Port))),
		}
		servicePort(target, s, &s.Spec.Ports[i])
		g.Targets = append(g.Targets, target)
	}
	return g
}

func (b *builder) serviceLabels(into model.LabelSet, s *corev1.Service) {
	into[namespaceLabel] = model.LabelValue(s.Namespace)
	b.named(into, s, RoleService)
}

func servicePort(into model.LabelSet, s *corev1.Service, p *corev1.ServicePort) {
	into[servicePortNameLabel] = model.LabelValue(p.Name)
	into[servicePortNumberLabel] = model.LabelValue(port(p.Port))
	into[servicePortProtocolLabel] = model.LabelValue(p.Protocol)
	into[serviceTypeLabel] = model.LabelValue(s.Spec.Type)
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		into[serviceExternalNameLabel] = model.LabelValue(s.Spec.ExternalName)
	} else {
		into[serviceClusterIPLabel] = model.LabelValue(s.Spec.ClusterIP)
	}
	if s.Spec.Type == corev1.ServiceTypeLoadBalancer {
		into[serviceLoadBalancerIPLabel] = model.LabelValue(s.Spec.LoadBalancerIP) //nolint:staticcheck // as in Prometheus
	}
}
