package series

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluiceio/sluice/kube"
)

type (
	service   = *corev1.Service
	ingress   = *networkingv1.Ingress
	addresses = *corev1.Endpoints //nolint:staticcheck // what kube_endpoint_* are made of
)

func services() Kind {
	const p = "kube_service"
	return withUID[service](kindOf[service](kube.Services, "service",
		family(p+"_info", "Information about service.", func(p *Points, o service) {
			p.Add(1, "cluster_ip", o.Spec.ClusterIP, "external_name", o.Spec.ExternalName, "load_balancer_ip", o.Spec.LoadBalancerIP, //nolint:staticcheck // a label of kube-state-metrics
				"external_traffic_policy", string(o.Spec.ExternalTrafficPolicy))
		}),
		created[service](p),
		family(p+"_spec_type", "Type about service.", func(p *Points, o service) { p.Add(1, "type", string(o.Spec.Type)) }),
		family(p+"_spec_external_ip", "Service external ips. One series for each ip", func(p *Points, o service) {
			for _, ip := range o.Spec.ExternalIPs {
				p.Add(1, "external_ip", ip)
			}
		}),
		family(p+"_status_load_balancer_ingress", "Service load balancer ingress status", func(p *Points, o service) {
			for _, i := range o.Status.LoadBalancer.Ingress {
				p.Add(1, "ip", i.IP, "hostname", i.Hostname)
			}
		}),
	))
}

func ingresses() Kind {
	const p = "kube_ingress"
	return kindOf[ingress](kube.Ingresses, "ingress",
		family(p+"_info", "Information about ingress.", func(p *Points, o ingress) {
			class := "_default"
			if o.Spec.IngressClassName != nil {
				class = *o.Spec.IngressClassName
			}
			p.Add(1, "ingressclass", class)
		}),
		created[ingress](p),
		family(p+"_path", "Ingress host, paths and backend service information.", func(p *Points, o ingress) {
			for _, rule := range o.Spec.Rules {
				if rule.HTTP == nil {
					continue
				}
				for _, path := range rule.HTTP.Paths {
					ingressPath(p, rule.Host, path)
				}
			}
		}),
		family(p+"_tls", "Ingress TLS host and secret information.", func(p *Points, o ingress) {
			for _, t := range o.Spec.TLS {
				for _, host := range t.Hosts {
					p.Add(1, "tls_host", host, "secret", t.SecretName)
				}
			}
		}),
	)
}

func ingressPath(p *Points, host string, path networkingv1.HTTPIngressPath) {
	kind := ""
	if path.PathType != nil {
		kind = string(*path.PathType)
	}
	switch b := path.Backend; {
	case b.Service != nil:
		port := b.Service.Port.Name
		if b.Service.Port.Number > 0 {
			port = strconv.Itoa(int(b.Service.Port.Number))
		}
		p.Add(1, "host", host, "path", path.Path, "path_type", kind, "service_name", b.Service.Name, "service_port", port)
	case b.Resource != nil:
		group := ""
		if b.Resource.APIGroup != nil {
			group = *b.Resource.APIGroup
		}
		p.Add(1, "host", host, "path", path.Path, "path_type", kind, "resource_api_group", group, "resource_kind", b.Resource.Kind, "resource_name", b.Resource.Name)
	}
}

func endpoints() Kind {
	const p = "kube_endpoint"
	return kindOf[addresses](kube.Endpoints, "endpoint",
		number(p+"_info", "Information about endpoint.", func(addresses) float64 { return 1 }),
		created[addresses](p),
		family(p+"_address", "Information about Endpoint available and non available addresses.", func(p *Points, o addresses) {
			for _, s := range o.Subsets {
				for _, port := range s.Ports {
					endpointAddresses(p, port, s.Addresses, true)
					endpointAddresses(p, port, s.NotReadyAddresses, false)
				}
			}
		}),
	)
}

//nolint:staticcheck // see addresses
func endpointAddresses(p *Points, port corev1.EndpointPort, all []corev1.EndpointAddress, ready bool) {
	for _, a := range all {
		p.Add(1, "port_protocol", string(port.Protocol), "port_number", strconv.Itoa(int(port.Port)), "port_name", port.Name, "ip", a.IP, "ready", text(ready))
	}
}
