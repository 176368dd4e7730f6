package kubesd

import (
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	networkingv1 "k8s.io/api/networking/v1"
)

const (
	ingressSchemeLabel    = prefix + "ingress_scheme"
	ingressHostLabel      = prefix + "ingress_host"
	ingressPathLabel      = prefix + "ingress_path"
	ingressClassNameLabel = prefix + "ingress_class_name"
)

// ingress makes a target of each path of each rule.
func (b *builder) ingress(o any) *targetgroup.Group {
	in, is := o.(*networkingv1.Ingress)
	if !is {
		return nil
	}
	l := model.LabelSet{namespaceLabel: model.LabelValue(in.Namespace)}
	if class := in.Spec.IngressClassName; class != nil {
		l[ingressClassNameLabel] = model.LabelValue(*class)
	}
	b.named(l, in, RoleIngress)
	b.namespace(l, in.Namespace)
	g := &targetgroup.Group{Source: b.role.label + in.Namespace + "/" + in.Name, Labels: l}
	for _, rule := range in.Spec.Rules {
		scheme := model.LabelValue("http")
		if hasCertificate(in, rule.Host) {
			scheme = "https"
		}
		for _, path := range paths(rule) {
			g.Targets = append(g.Targets, model.LabelSet{
				model.AddressLabel: model.LabelValue(rule.Host), ingressSchemeLabel: scheme, ingressHostLabel: model.LabelValue(rule.Host),
				ingressPathLabel: model.LabelValue(path),
			})
		}
	}
	return g
}

// paths are those of a rule: the root where it names none, and none where its list is empty.
func paths(rule networkingv1.IngressRule) (out []string) {
	if rule.HTTP == nil {
		return []string{"/"}
	}
	for _, p := range rule.HTTP.Paths {
		if p.Path == "" {
			p.Path = "/"
		}
		out = append(out, p.Path)
	}
	return out
}

// hasCertificate reports whether the host is among those of the ingress' TLS; "*" stands for one part of a name, the first.
func hasCertificate(in *networkingv1.Ingress, host string) bool {
	_, parent, dotted := strings.Cut(host, ".")
	for _, tls := range in.Spec.TLS {
		for _, h := range tls.Hosts {
			if h == host {
				return true
			}
			if rest, wild := strings.CutPrefix(h, "*"); wild && (rest == "" && !dotted || dotted && rest == "."+parent) {
				return true
			}
		}
	}
	return false
}
