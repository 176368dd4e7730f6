// Package kubesd is kubernetes_sd_configs over the process' one view of the cluster (package kube): targets and labels are those of
// Prometheus' discovery/kubernetes, and five jobs that discover pods share one watch.
package kubesd

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/discovery"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluiceio/sluice/kube"
)

// NodeVariable is the environment variable with the name of the node, from the downward API (spec.nodeName).
const NodeVariable = "K8S_NODE_NAME"

// Role is what an entry makes targets of.
type Role string

// The roles.
const (
	RoleNode          Role = "node"
	RolePod           Role = "pod"
	RoleService       Role = "service"
	RoleEndpoints     Role = "endpoints"
	RoleEndpointSlice Role = "endpointslice"
	RoleIngress       Role = "ingress"
)

// selectable are the roles, and what the selectors of each may choose.
var selectable = map[Role][]Role{
	RolePod:           {RolePod, RoleNode},
	RoleService:       {RoleService},
	RoleEndpointSlice: {RolePod, RoleService, RoleEndpointSlice},
	RoleEndpoints:     {RolePod, RoleService, RoleEndpoints},
	RoleNode:          {RoleNode},
	RoleIngress:       {RoleIngress},
}

// UnmarshalYAML refuses an unknown role.
func (r *Role) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal((*string)(r)); err != nil {
		return err
	}
	if selectable[*r] == nil {
		return fmt.Errorf("unknown Kubernetes SD role %q", string(*r))
	}
	return nil
}

// Config is one entry of kubernetes_sd_configs, with Prometheus' keys (discovery/kubernetes at v0.313) and ours.
type Config struct {
	APIServer        config.URL              `yaml:"api_server,omitempty"` // refused: see check
	Role             Role                    `yaml:"role"`
	KubeConfig       string                  `yaml:"kubeconfig_file"`
	HTTPClientConfig config.HTTPClientConfig `yaml:",inline"` // refused without api_server
	Namespaces       Namespaces              `yaml:"namespaces,omitempty"`
	Selectors        []Selector              `yaml:"selectors,omitempty"`
	AttachMetadata   AttachMetadata          `yaml:"attach_metadata,omitempty"`
	// OwnNode limits the entry to what is on the node that NodeVariable names. Ours.
	OwnNode Switch `yaml:"own_node,omitempty"`
}

// Switch is a truth value whose fault is said in words.
type Switch bool

// UnmarshalYAML refuses what is neither true nor false.
func (s *Switch) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal((*bool)(s)) == nil {
		return nil
	}
	var text string
	if err := unmarshal(&text); err != nil {
		return errors.New(`"own_node": write true or false`)
	}
	return fmt.Errorf(`"own_node" is %q: write true or false`, text)
}

// Namespaces are those that are looked at; none: all.
type Namespaces struct {
	IncludeOwnNamespace bool     `yaml:"own_namespace"`
	Names               []string `yaml:"names"`
}

// Selector limits the objects of a role.
type Selector struct {
	Role  Role   `yaml:"role,omitempty"`
	Label string `yaml:"label,omitempty"`
	Field string `yaml:"field,omitempty"`
}

// AttachMetadata says of what else a target gets labels.
type AttachMetadata struct {
	Node       bool `yaml:"node"`
	Namespace  bool `yaml:"namespace"`
	Deployment bool `yaml:"deployment"`
	Job        bool `yaml:"job"`
	CronJob    bool `yaml:"cronjob"`
}

// UnmarshalYAML reads and checks an entry; the faults are those of Prometheus, then ours.
func (c *Config) UnmarshalYAML(unmarshal func(any) error) error {
	*c = Config{HTTPClientConfig: config.DefaultHTTPClientConfig}
	type plain Config
	if err := unmarshal((*plain)(c)); err != nil {
		return err
	}
	if c.Role == "" {
		return errors.New("role missing (one of: pod, service, endpoints, endpointslice, node, ingress)")
	}
	if err := c.HTTPClientConfig.Validate(); err != nil {
		return err
	}
	custom := !reflect.DeepEqual(c.HTTPClientConfig, config.DefaultHTTPClientConfig)
	switch {
	case c.APIServer.URL != nil && c.KubeConfig != "":
		return errors.New("cannot use 'kubeconfig_file' and 'api_server' simultaneously")
	case c.KubeConfig != "" && custom:
		return errors.New("cannot use a custom HTTP client configuration together with 'kubeconfig_file'")
	case c.APIServer.URL == nil && custom: // Prometheus asks for api_server, which we do not have
		return errors.New("a custom HTTP client configuration is not supported: write the server and its credentials into a file and name it as \"kubeconfig_file\"")
	case c.APIServer.URL != nil:
		return errors.New(`"api_server" is not supported: take it out in a pod, or write the server and its credentials into a file and name it as "kubeconfig_file"`)
	case c.KubeConfig != "" && c.Namespaces.IncludeOwnNamespace:
		return errors.New("cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously")
	}
	if err := c.checkSelectors(); err != nil {
		return err
	}
	if c.OwnNode && c.Role == RoleIngress {
		return fmt.Errorf(`"own_node" does not work with the role %s: an ingress is on no node`, c.Role)
	}
	if bool(c.OwnNode) && slices.ContainsFunc(c.Selectors, func(s Selector) bool { return s.Role == RoleEndpoints || s.Role == RoleEndpointSlice }) {
		return fmt.Errorf(`"own_node" reads no %s, so that they cannot be selected: select services or pods`, c.Role)
	}
	return nil
}

func (c *Config) checkSelectors() error {
	seen := map[Role]bool{}
	for _, s := range c.Selectors {
		if seen[s.Role] {
			return fmt.Errorf("duplicated selector role: %s", s.Role)
		}
		seen[s.Role] = true
		if allowed := selectable[c.Role]; !slices.Contains(allowed, s.Role) {
			var names []string
			for _, r := range allowed {
				names = append(names, string(r))
			}
			return fmt.Errorf("%s role supports only %s selectors", c.Role, strings.Join(names, ", "))
		}
		if _, err := fields.ParseSelector(s.Field); err != nil {
			return err
		}
		if _, err := labels.Parse(s.Label); err != nil {
			return err
		}
	}
	return nil
}

// SetDirectory makes the path of the kubeconfig relative to the file that names it.
func (c *Config) SetDirectory(dir string) {
	c.HTTPClientConfig.SetDirectory(dir)
	c.KubeConfig = config.JoinDir(dir, c.KubeConfig)
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

// ownNamespaceFile is where a pod finds the name of its namespace; a variable for tests.
var ownNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// namespaces are those that are watched: "" for all.
func (c *Config) namespaces() ([]string, error) {
	names := slices.Clone(c.Namespaces.Names)
	if c.Namespaces.IncludeOwnNamespace {
		own, err := os.ReadFile(ownNamespaceFile)
		if err != nil {
			return nil, fmt.Errorf(`kubernetes_sd_configs: "own_namespace": cannot read the pod's namespace: %w`, err)
		}
		name := strings.TrimSpace(string(own))
		if name == "" { // it would mean all
			return nil, fmt.Errorf(`kubernetes_sd_configs: "own_namespace": %s is empty`, ownNamespaceFile)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		names = []string{""}
	}
	return names, nil
}

// selector returns the label and field selector of a role.
func (c *Config) selector(role Role) (labels, fields string) {
	for _, s := range c.Selectors {
		if s.Role == role {
			labels, fields = s.Label, s.Field
		}
	}
	field := map[Role]string{RolePod: "spec.nodeName", RoleNode: "metadata.name"}[role]
	if c.OwnNode && field != "" {
		own := field + "=" + os.Getenv(NodeVariable)
		if fields != "" {
			own += "," + fields
		}
		fields = own
	}
	return labels, fields
}
