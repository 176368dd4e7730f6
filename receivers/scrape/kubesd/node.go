package kubesd

import (
	"net"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/util/strutil"
	corev1 "k8s.io/api/core/v1"
)

const (
	nodeProviderIDLabel = prefix + "node_provider_id"
	nodeConditionPrefix = prefix + "node_condition_"
	nodeAddressPrefix   = prefix + "node_address_"
)

// nodeAddresses are the kinds of addresses, the one that is scraped first. LegacyHostIP is of old Kubernetes.
var nodeAddresses = []corev1.NodeAddressType{
	corev1.NodeInternalIP, corev1.NodeInternalDNS, corev1.NodeExternalIP, corev1.NodeExternalDNS, "LegacyHostIP", corev1.NodeHostName,
}

// nodeTarget makes the node's kubelet a target. A node without an address keeps the target that it had, as in Prometheus.
func (b *builder) nodeTarget(o any) *targetgroup.Group {
	n, is := o.(*corev1.Node)
	if !is {
		return nil
	}
	first := map[corev1.NodeAddressType]string{}
	target := model.LabelSet{model.InstanceLabel: model.LabelValue(n.Name)}
	for _, a := range n.Status.Addresses {
		if _, has := first[a.Type]; !has {
			first[a.Type] = a.Address
			target[model.LabelName(strutil.SanitizeLabelName(nodeAddressPrefix+string(a.Type)))] = model.LabelValue(a.Address)
		}
	}
	address, known := "", false
	for _, t := range nodeAddresses {
		if address, known = first[t]; known {
			break
		}
	}
	if !known {
		b.log.Warn("a node has no address", "node", n.Name)
		return nil
	}
	target[model.AddressLabel] = model.LabelValue(net.JoinHostPort(address, strconv.Itoa(int(n.Status.DaemonEndpoints.KubeletEndpoint.Port))))
	l := model.LabelSet{nodeProviderIDLabel: model.LabelValue(n.Spec.ProviderID)}
	for _, c := range n.Status.Conditions {
		l[model.LabelName(nodeConditionPrefix+strutil.SanitizeLabelName(strings.ToLower(string(c.Type))))] = model.LabelValue(strings.ToLower(string(c.Status)))
	}
	b.named(l, n, RoleNode)
	return &targetgroup.Group{Source: b.role.label + n.Name, Labels: l, Targets: []model.LabelSet{target}}
}
