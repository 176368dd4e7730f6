package presets

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/receivers/scrape/kubesd"
)

// AnnotationsJob is the name that the field's charts give to this job.
const AnnotationsJob = "kubernetes-pods"

// Whoever may make a pod writes its annotations, so they decide little: whether, which port of the pod's own address, which path, http
// or https. The address is the pod's as the kubelet reports it, checked by Refused; a redirect is not followed; nothing of ours is sent
// along; labels that a target exposes do not replace those that say who it is.

const annotation = "__meta_kubernetes_pod_annotation_prometheus_io_"

// Jobs are the scrape jobs of annotated pods; none if it is off.
func (a Annotations) Jobs() []any {
	if !a.Enabled {
		return nil
	}
	j := newJob(AnnotationsJob, a.ScrapeInterval)
	j["honor_labels"], j["follow_redirects"] = false, false
	if a.InsecureSkipVerify {
		j["tls_config"] = map[string]any{"insecure_skip_verify": true}
	}
	j.discover(kubesd.RolePod, a.OwnNode, a.KubeconfigFile)
	j["relabel_configs"] = []any{
		rule("source_labels", from(annotation+"scrape"), "regex", "true", "action", "keep"),
		rule("source_labels", from("__meta_kubernetes_pod_phase"), "regex", "Pending|Succeeded|Failed", "action", "drop"),
		rule("source_labels", from("__meta_kubernetes_pod_container_init", "__meta_kubernetes_pod_container_port_number"), "regex", "true;", "action", "drop"),
		// Without prometheus.io/port all TCP ports of the containers.
		rule("source_labels", from(annotation+"port", "__meta_kubernetes_pod_container_port_protocol"), "regex", ";(UDP|SCTP)", "action", "drop"),
		rule("source_labels", from(annotation+"scheme"), "regex", "(https?)", "target_label", "__scheme__"),
		rule("source_labels", from(annotation+"path"), "regex", `(/\S*)`, "target_label", "__metrics_path__"),
		rule("source_labels", from("__meta_kubernetes_pod_ip", annotation+"port"), "regex", `([\d.]+);(\d{1,5})`, "replacement", "$1:$2", "target_label", "__address__"),
		rule("source_labels", from("__meta_kubernetes_pod_ip", annotation+"port"), "regex", `(.*:.*);(\d{1,5})`, "replacement", "[$1]:$2", "target_label", "__address__"),
		rule("source_labels", from("__address__"), "regex", `([^\[]*:[^\[]*:[^\[]*)`, "replacement", "[$1]", "target_label", "__address__"),
		rule("source_labels", from("__meta_kubernetes_namespace"), "target_label", "namespace"),
		rule("source_labels", from("__meta_kubernetes_pod_name"), "target_label", "pod"),
		rule("source_labels", from("__meta_kubernetes_pod_node_name"), "target_label", "node"),
	}
	return []any{map[string]any(j)}
}

// metadata are addresses at which clouds tell a node's credentials, beside the link-local ones (169.254.169.254 and its like).
var metadata = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"),          // AWS
	netip.MustParsePrefix("fd20:ce::254/128"),       // Google
	netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), // Oracle
	netip.MustParsePrefix("192.0.0.192/32"),         // Oracle, older
	netip.MustParsePrefix("168.63.129.16/32"),       // Azure
	netip.MustParsePrefix("100.100.100.200/32"),     // Alibaba
}

// Refused says why an address of a target that annotations chose is not scraped; nil: it is.
func Refused(address string) error {
	host := address
	if h, _, err := net.SplitHostPort(address); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return fmt.Errorf("%q is no address of a pod: names are not scraped by annotations", host)
	}
	switch at := embedded(ip.WithZone("")); {
	case at.IsLoopback(), at.IsUnspecified():
		return fmt.Errorf("%s is this host: it is not scraped by annotations", ip)
	case at.IsLinkLocalUnicast(), at.IsMulticast(), slices.ContainsFunc(metadata, func(p netip.Prefix) bool { return p.Contains(at) }):
		return fmt.Errorf("%s may be a cloud's metadata service: it is not scraped by annotations", ip)
	}
	return nil
}

var nat64, sixToFour = netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16")

// embedded returns the IPv4 address that an IPv6 address leads to, or the address itself.
func embedded(ip netip.Addr) netip.Addr {
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return ip.Unmap()
}
