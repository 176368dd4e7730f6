package presets

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"github.com/sluiceio/sluice/receivers/scrape/kubesd"
)

// kubeletJobs are the job names, which differ, and the paths; the label job is kubelet for all, as in kube-prometheus.
var kubeletJobs = []struct{ name, path string }{
	{"kubelet", "/metrics"}, {"kubelet/cadvisor", "/metrics/cadvisor"}, {"kubelet/resource", "/metrics/resource"},
}

// unused are the series of cAdvisor that kube-prometheus drops: some are always 0, others are of cgroups that are no container's, or
// there again by device.
var unused = []any{
	rule("source_labels", from("__name__"), "regex", "container_(network_tcp_usage_total|network_udp_usage_total|tasks_state|cpu_load_average_10s)", "action", "drop"),
	rule("source_labels", from("__name__", "pod", "namespace"), "action", "drop",
		"regex", "(container_spec_.*|container_file_descriptors|container_sockets|container_threads_max|container_threads|container_start_time_seconds|container_last_seen);;"),
	rule("source_labels", from("__name__", "container"), "regex", "container_blkio_device_usage_total;.+", "action", "drop"),
}

// Jobs are the scrape jobs of the own node's kubelet; none if it is off. Where K8S_NODE_IP gives its address, the Node object is not
// asked for.
func (k Kubelet) Jobs() (out []any, err error) {
	if !k.Enabled {
		return nil, nil
	}
	address := os.Getenv(AddressVariable)
	if address != "" {
		ip, err := netip.ParseAddr(address)
		if err != nil {
			return nil, fmt.Errorf(`"kubelet": the environment variable %s is %q, which is no address: set it from status.hostIP (downward API)`, AddressVariable, address)
		}
		address = net.JoinHostPort(ip.String(), strconv.Itoa(k.Port))
	}
	for _, of := range kubeletJobs {
		j := newJob(of.name, k.ScrapeInterval)
		j["scheme"], j["metrics_path"], j["honor_labels"] = "https", of.path, true
		j["authorization"] = map[string]any{"credentials_file": k.TokenFile}
		j["follow_redirects"] = false // the token goes to nobody else
		j["tls_config"] = k.tls()
		rules := []any{
			rule("source_labels", from("__address__"), "target_label", "instance"),
			rule("source_labels", from("__metrics_path__"), "target_label", "metrics_path"),
			rule("target_label", "job", "replacement", "kubelet"),
		}
		if address == "" {
			j.discover(kubesd.RoleNode, true, k.KubeconfigFile)
			rules = append(rules, rule("source_labels", from("__meta_kubernetes_node_name"), "target_label", "node"))
		} else {
			j["static_configs"] = []any{map[string]any{"targets": []any{address}, "labels": map[string]any{"node": os.Getenv(kubesd.NodeVariable)}}}
		}
		j["relabel_configs"] = rules
		if of.path == "/metrics/cadvisor" {
			j["honor_timestamps"] = false // they are as old as cAdvisor's last round, and differ within a body
			if k.DropUnused {
				j["metric_relabel_configs"] = unused
			}
		}
		out = append(out, map[string]any(j))
	}
	return out, nil
}

// tls never falls back to taking any certificate. Outside of a pod there is no service account, and the system's authorities count.
func (k Kubelet) tls() map[string]any {
	switch {
	case k.InsecureSkipVerify:
		return map[string]any{"insecure_skip_verify": true}
	case k.CAFile != "":
		return map[string]any{"ca_file": k.CAFile}
	}
	if _, err := os.Stat(accountCA); err != nil {
		return map[string]any{}
	}
	return map[string]any{"ca_file": accountCA}
}

// Missing reports what is missing where it runs: a file may be checked elsewhere.
func (k Kubelet) Missing() error {
	if !k.Enabled {
		return nil
	}
	if os.Getenv(kubesd.NodeVariable) == "" {
		return fmt.Errorf(`"kubelet" needs the environment variable %s: set it from spec.nodeName (downward API)`, kubesd.NodeVariable)
	}
	if _, err := os.Stat(k.TokenFile); err != nil {
		return fmt.Errorf(`"kubelet": "token_file": %w: does the pod have automountServiceAccountToken: false?`, err)
	}
	return nil
}
