package k8sevents

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's k8s_events receiver.
type Config struct {
	kube.Access `mapstructure:",squash"`

	// Namespaces are those whose events are read; empty: all.
	Namespaces []string `mapstructure:"namespaces"`
	// K8sLeaderElector names an extension: only the process that leads reads events.
	K8sLeaderElector string `mapstructure:"k8s_leader_elector"`

	KubeAPIQPS   float64 `mapstructure:"kube_api_qps"`   // accepted: one watch a namespace
	KubeAPIBurst int     `mapstructure:"kube_api_burst"` // accepted
}

// ElectionKey implements pipeline.ElectionUser.
func (c *Config) ElectionKey() (key, name string) { return "k8s_leader_elector", c.K8sLeaderElector }

// Default reads all namespaces.
func Default() *Config { return &Config{} }

// Validate reports every fault.
func (c *Config) Validate() error {
	errs := []error{c.Access.Validate()}
	for i, namespace := range c.Namespaces {
		switch {
		case namespace == "":
			errs = append(errs, fmt.Errorf(`"namespaces[%d]" is empty; remove it, or the key "namespaces" for all namespaces`, i))
		case slices.Index(c.Namespaces, namespace) != i:
			errs = append(errs, fmt.Errorf(`"namespaces[%d]" is %q again: its events would come twice; remove it`, i, namespace))
		}
	}
	return errors.Join(errs...)
}

// Component describes the receiver.
func Component() pipeline.Component {
	return pipeline.Receiver("k8s_events", Default, New, pipeline.Logs).
		WithDoc("reads the events of a Kubernetes cluster as logs, once for all replicas")
}
