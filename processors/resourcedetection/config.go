package resourcedetection

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/processors/resourcedetection/detector"
)

// Config has the keys of the Collector's resource_detection processor.
type Config struct {
	// Detectors are asked at the same time. Where two know the same attribute, the one that is listed first decides.
	Detectors []string `mapstructure:"detectors"`
	// Override replaces attributes that a resource has already.
	Override bool `mapstructure:"override"`
	// Timeout is how long batches wait for the first detection.
	Timeout time.Duration `mapstructure:"timeout"`
	// RefreshInterval repeats the detection; 0 for never.
	RefreshInterval time.Duration `mapstructure:"refresh_interval"`
	// FailOnMissingMetadata takes a metadata service that does not answer for a failure, which is tried again, and not
	// for another place.
	FailOnMissingMetadata bool `mapstructure:"fail_on_missing_metadata"`

	System    System `mapstructure:"system"`
	Container Common `mapstructure:"container"`
	Docker    Common `mapstructure:"docker"`
	EC2       EC2    `mapstructure:"ec2"`
	EKS       Node   `mapstructure:"eks"`
	GCP       Common `mapstructure:"gcp"`
	Azure     Tagged `mapstructure:"azure"`
	AKS       Common `mapstructure:"aks"`
	K8sNode   Node   `mapstructure:"k8snode"`
	K8sAPI    Node   `mapstructure:"k8s_api"`
}

// Common is what every detector's section has.
type Common struct {
	// ResourceAttributes switches single attributes on and off.
	ResourceAttributes map[string]Enabled `mapstructure:"resource_attributes"`
}

// Enabled is the switch of an attribute.
type Enabled struct {
	Enabled bool `mapstructure:"enabled"`
}

// System is the section of the detector system.
type System struct {
	Common `mapstructure:",squash"`
	// HostnameSources are tried in order: dns, os, cname, lookup.
	HostnameSources []string `mapstructure:"hostname_sources"`
}

// Tagged is a section of a cloud whose machines have tags.
type Tagged struct {
	Common `mapstructure:",squash"`
	// Tags are regular expressions of the tags that become attributes.
	Tags []string `mapstructure:"tags"`
}

// EC2 is the section of the detector ec2.
type EC2 struct {
	Tagged `mapstructure:",squash"`
	// TagsFromIMDS must be true for tags: they come from the metadata service.
	TagsFromIMDS bool `mapstructure:"tags_from_imds"`

	MaxAttempts int           `mapstructure:"max_attempts"` // accepted: what fails is tried again until it works
	MaxBackoff  time.Duration `mapstructure:"max_backoff"`  // accepted, as max_attempts
}

// Node is a section of a detector that asks the Kubernetes API.
type Node struct {
	Common `mapstructure:",squash"`
	// NodeFromEnvVar is the environment variable with the node's name.
	NodeFromEnvVar string `mapstructure:"node_from_env_var"`
	// AuthType must be serviceAccount, the pod's own.
	AuthType string `mapstructure:"auth_type"`
}

// Default reads the environment, as the Collector.
func Default() *Config {
	return &Config{Detectors: []string{"env"}, Override: true, Timeout: 5 * time.Second}
}

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(len(c.Detectors) == 0, `"detectors" is empty; list at least one of %s`, strings.Join(detector.Names(), ", "))
	for i, name := range c.Detectors {
		fault(!slices.Contains(detector.Names(), name), `"detectors[%d]" is %q, which is not supported; write one of %s`, i, name, strings.Join(detector.Names(), ", "))
		fault(slices.Contains(c.Detectors[:i], name), `"detectors[%d]": %s is listed twice`, i, name)
	}
	fault(c.Timeout <= 0 || c.Timeout > time.Minute, `"timeout" is %s; write more than 0 and at most 1m`, c.Timeout)
	fault(c.RefreshInterval < 0, `"refresh_interval" is negative; write 0 for never`)
	fault(c.RefreshInterval > 0 && c.RefreshInterval < time.Second, `"refresh_interval" is %s; write at least 1s`, c.RefreshInterval)
	for i, s := range c.System.HostnameSources {
		fault(!slices.Contains(detector.HostnameSources, s), `"system::hostname_sources[%d]" is %q; write one of %s`, i, s, strings.Join(detector.HostnameSources, ", "))
	}
	fault(len(c.EC2.Tags) > 0 && !c.EC2.TagsFromIMDS,
		`"ec2::tags" needs "tags_from_imds: true" and tags in the instance metadata; the EC2 API is not asked`)
	for key, n := range map[string]Node{"eks": c.EKS, "k8snode": c.K8sNode, "k8s_api": c.K8sAPI} {
		fault(n.AuthType != "" && n.AuthType != "serviceAccount", `"%s::auth_type" is %q; only serviceAccount is supported`, key, n.AuthType)
	}
	for name, o := range c.options() {
		for _, e := range o.Faults(name) {
			errs = append(errs, errors.New(e))
		}
	}
	return errors.Join(errs...)
}

// options are the sections by detector.
func (c *Config) options() map[string]detector.Options {
	of := func(s Common, more detector.Options) detector.Options {
		more.Enabled = map[string]bool{}
		for name, e := range s.ResourceAttributes {
			more.Enabled[name] = e.Enabled
		}
		more.Must = c.FailOnMissingMetadata
		return more
	}
	return map[string]detector.Options{
		"env":       of(Common{}, detector.Options{}),
		"system":    of(c.System.Common, detector.Options{HostnameSources: c.System.HostnameSources}),
		"container": of(c.Container, detector.Options{}),
		"docker":    of(c.Docker, detector.Options{}),
		"ec2":       of(c.EC2.Common, detector.Options{Tags: c.EC2.Tags}),
		"eks":       of(c.EKS.Common, detector.Options{NodeVariable: c.EKS.NodeFromEnvVar}),
		"gcp":       of(c.GCP, detector.Options{}),
		"gke":       of(c.GCP, detector.Options{}),
		"azure":     of(c.Azure.Common, detector.Options{Tags: c.Azure.Tags}),
		"aks":       of(c.AKS, detector.Options{}),
		"k8snode":   of(c.K8sNode.Common, detector.Options{NodeVariable: c.K8sNode.NodeFromEnvVar}),
		"k8s_api":   of(c.K8sAPI.Common, detector.Options{NodeVariable: c.K8sAPI.NodeFromEnvVar}),
	}
}

// Component describes the processor.
func Component() pipeline.Component {
	unsupported := map[string]string{
		"gcp::labels":                   "labels of the instance need Google's API; remove the key",
		"k8snode::context":              "the pod's own service account is used; remove the key",
		"k8s_api::context":              "the pod's own service account is used; remove the key",
		"k8snode::kube_api_qps":         "two requests are made in all; remove the key",
		"k8s_api::kube_api_qps":         "two requests are made in all; remove the key",
		"attributes":                    "switch single attributes by <detector>::resource_attributes::<name>::enabled",
		"proxy_url":                     "metadata services are never asked through a proxy; remove the key",
		"ec2::fail_on_missing_metadata": "write fail_on_missing_metadata beside detectors",
	}
	for _, name := range detector.Foreign {
		unsupported[name] = "there is no such detector; remove the key"
	}
	return pipeline.Processor("resource_detection", Default, New, pipeline.Signals[:]...).
		WithAliases("resourcedetection").
		WithDoc("adds what it finds out about the place where it runs to every resource: host, container, cloud, node").
		WithUnsupported(unsupported)
}
