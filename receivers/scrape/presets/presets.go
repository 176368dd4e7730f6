// Package presets makes the scrape jobs behind one key each: the kubelet of the own node, and pods that ask for it by annotations. A job
// is a section as Prometheus' loader reads it, so that it is checked and run as one that users write.
package presets

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/receivers/scrape/kubesd"
)

// Kubelet scrapes the kubelet of the own node, with the labels that kube-prometheus' dashboards and rules expect.
type Kubelet struct {
	// Enabled switches it on.
	Enabled bool `mapstructure:"enabled"`
	// ScrapeInterval is that of its three jobs; 0: the global one.
	ScrapeInterval time.Duration `mapstructure:"scrape_interval"`
	// Port is the kubelet's where the environment variable K8S_NODE_IP gives the address; the Node object knows it itself.
	Port int `mapstructure:"port"`
	// TokenFile is sent to the kubelet, which asks the API server who that is.
	TokenFile string `mapstructure:"token_file"`
	// CAFile is what the kubelet's certificate is checked with; empty: the service account's, if there is one.
	CAFile string `mapstructure:"ca_file"`
	// InsecureSkipVerify takes any certificate: where kubelets sign their own, whoever has the node's address gets the token.
	InsecureSkipVerify bool `mapstructure:"insecure_skip_verify"`
	// DropUnused drops the series of cAdvisor that kube-prometheus drops.
	DropUnused bool `mapstructure:"drop_unused"`
	// KubeconfigFile is for outside of a pod.
	KubeconfigFile string `mapstructure:"kubeconfig_file"`
}

// Annotations scrapes pods with the annotation prometheus.io/scrape: "true".
type Annotations struct {
	// Enabled switches it on.
	Enabled bool `mapstructure:"enabled"`
	// OwnNode limits it to the pods of the node that the environment variable K8S_NODE_NAME names.
	OwnNode bool `mapstructure:"own_node"`
	// ScrapeInterval is the job's; 0: the global one.
	ScrapeInterval time.Duration `mapstructure:"scrape_interval"`
	// InsecureSkipVerify takes any certificate of pods with prometheus.io/scheme: https.
	InsecureSkipVerify bool `mapstructure:"insecure_skip_verify"`
	// KubeconfigFile is for outside of a pod.
	KubeconfigFile string `mapstructure:"kubeconfig_file"`
}

// Paths of a pod's service account.
const (
	accountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	accountCA    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
)

// AddressVariable is the environment variable with the node's address, from the downward API (status.hostIP).
const AddressVariable = "K8S_NODE_IP"

// DefaultKubelet has what is set unless the file says otherwise.
func DefaultKubelet() Kubelet { return Kubelet{Port: 10250, TokenFile: accountToken, DropUnused: true} }

// Validate reports what cannot be.
func (k Kubelet) Validate() error {
	var errs []error
	if k.Port < 1 || k.Port > 65535 {
		errs = append(errs, fmt.Errorf(`"port" is %d: write 1 to 65535`, k.Port))
	}
	if k.Enabled && k.TokenFile == "" {
		errs = append(errs, errors.New(`"token_file" is empty: a kubelet answers nobody without a token; take the key out for the service account's`))
	}
	if k.CAFile != "" && k.InsecureSkipVerify {
		errs = append(errs, errors.New(`"ca_file" and "insecure_skip_verify" exclude each other: take one of them out`))
	}
	return errors.Join(append(errs, interval(k.ScrapeInterval))...)
}

// Validate reports what cannot be.
func (a Annotations) Validate() error { return interval(a.ScrapeInterval) }

func interval(d time.Duration) error {
	if d < 0 || d%time.Millisecond != 0 {
		return fmt.Errorf(`"scrape_interval" is %s: write whole milliseconds, or 0s for the global one`, d)
	}
	return nil
}

// job is a section scrape_configs::n.
type job map[string]any

func newJob(name string, every time.Duration) job {
	j := job{"job_name": name}
	if every > 0 {
		j["scrape_interval"] = fmt.Sprintf("%dms", every.Milliseconds())
	}
	return j
}

// discover adds an entry of kubernetes_sd_configs.
func (j job) discover(role kubesd.Role, ownNode bool, kubeconfig string) {
	entry := map[string]any{"role": string(role), "own_node": ownNode}
	if kubeconfig != "" {
		entry["kubeconfig_file"] = kubeconfig
	}
	j["kubernetes_sd_configs"] = []any{entry}
}

// rule is one of relabel_configs or metric_relabel_configs: pairs of keys and values.
func rule(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(string)] = pairs[i+1]
	}
	return out
}

// from are the source labels of a rule.
func from(labels ...any) []any { return labels }
