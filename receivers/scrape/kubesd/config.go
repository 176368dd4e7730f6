// Package kubesd is kubernetes_sd_configs over the process' one view of the cluster (package kube): Prometheus' own builders make the
// targets, and five jobs that discover pods share one watch.
package kubesd

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"

	"github.com/sluiceio/sluice/kube"
)

// NodeVariable is the environment variable with the name of the node, from the downward API (spec.nodeName).
const NodeVariable = "K8S_NODE_NAME"

// Config is one entry of kubernetes_sd_configs.
type Config struct {
	*kubernetes.SDConfig
	OwnNode bool // only what is on the node that NodeVariable names
}

// Check reports what Prometheus' loader accepts and we do not.
func (c *Config) Check() error {
	if c.APIServer.URL != nil {
		return errors.New(`"api_server" is not supported: take it out in a pod, or write the server and its credentials into a file and name it as "kubeconfig_file"`)
	}
	if !c.OwnNode {
		return nil
	}
	if c.Role != kubernetes.RolePod && c.Role != kubernetes.RoleNode {
		return fmt.Errorf(`"own_node" works with the roles pod and node, not with %s: endpoints have no node to select by`, c.Role)
	}
	return nil
}

// here reports what is missing where it runs: a file may be checked elsewhere.
func (c *Config) here() error {
	if c.OwnNode && os.Getenv(NodeVariable) == "" {
		return fmt.Errorf(`kubernetes_sd_configs: "own_node" needs the environment variable %s: set it from spec.nodeName (downward API)`, NodeVariable)
	}
	return nil
}

// Name is the mechanism's, for metrics and logs.
func (*Config) Name() string { return "kubernetes" }

// NewDiscovererMetrics: our events are counted by package kube.
func (*Config) NewDiscovererMetrics(prometheus.Registerer, discovery.RefreshMetricsInstantiator) discovery.DiscovererMetrics {
	return &discovery.NoopDiscovererMetrics{}
}

// NewDiscoverer is called by Prometheus' discovery manager.
func (c *Config) NewDiscoverer(o discovery.DiscovererOptions) (discovery.Discoverer, error) {
	w, is := reserved.Load(weak.Make(c))
	if !is {
		return nil, errors.New("kubernetes_sd_configs: the watches were not reserved") // a bug: see Reserve
	}
	return &discoverer{config: c, watches: w.([]*watches), log: o.Logger}, nil
}

func (c *Config) access() kube.Access {
	if c.KubeConfig != "" {
		return kube.Access{AuthType: kube.KubeConfig, KubeconfigFile: c.KubeConfig}
	}
	return kube.Access{AuthType: kube.ServiceAccount}
}

// namespaces are those that are watched: "" for all.
func (c *Config) namespaces() ([]string, error) {
	names := append([]string(nil), c.NamespaceDiscovery.Names...)
	if c.NamespaceDiscovery.IncludeOwnNamespace {
		own, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
		if err != nil {
			return nil, fmt.Errorf(`kubernetes_sd_configs: "own_namespace": cannot read the pod's namespace: %w`, err)
		}
		names = append(names, strings.TrimSpace(string(own)))
	}
	if len(names) == 0 {
		names = []string{""}
	}
	return names, nil
}

// selector returns the label and field selector of a role.
func (c *Config) selector(role kubernetes.Role) (labels, fields string) {
	for _, s := range c.Selectors {
		if s.Role == role {
			labels, fields = s.Label, s.Field
		}
	}
	field := map[kubernetes.Role]string{kubernetes.RolePod: "spec.nodeName", kubernetes.RoleNode: "metadata.name"}[role]
	if c.OwnNode && field != "" {
		own := field + "=" + os.Getenv(NodeVariable)
		if fields != "" {
			own += "," + fields
		}
		fields = own
	}
	return labels, fields
}
