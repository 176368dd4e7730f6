package config

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

const leaderElector = "k8s_leader_elector"

// objectName is a name that the API server takes.
var objectName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

// electionKeys is the extension k8s_leader_elector, with the Collector's keys.
type electionKeys struct {
	AuthType       string        `mapstructure:"auth_type"`
	Context        string        `mapstructure:"context"`
	KubeconfigFile string        `mapstructure:"kubeconfig_file"`
	KubeAPIQPS     float64       `mapstructure:"kube_api_qps"`   // accepted: one request each retry_period
	KubeAPIBurst   int           `mapstructure:"kube_api_burst"` // accepted
	LeaseName      string        `mapstructure:"lease_name"`
	LeaseNamespace string        `mapstructure:"lease_namespace"`
	LeaseDuration  time.Duration `mapstructure:"lease_duration"`
	RenewDeadline  time.Duration `mapstructure:"renew_deadline"`
	RetryPeriod    time.Duration `mapstructure:"retry_period"`
}

func defaultElection() any {
	return &electionKeys{LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second}
}

// Validate reports every fault. The order of the durations is what keeps two from leading at once.
func (k *electionKeys) Validate() error {
	var errs []error
	for _, name := range []struct{ key, value string }{{"lease_name", k.LeaseName}, {"lease_namespace", k.LeaseNamespace}} {
		switch {
		case name.value == "":
			errs = append(errs, fmt.Errorf(`"%s" is missing; all processes of which one shall lead need the same`, name.key))
		case !objectName.MatchString(name.value):
			errs = append(errs, fmt.Errorf(`"%s" is %q, which Kubernetes does not take; write small letters, digits, "-" and "."`, name.key, name.value))
		}
	}
	switch k.AuthType {
	case "", "serviceAccount", "none":
		if k.Context != "" || k.KubeconfigFile != "" {
			errs = append(errs, errors.New(`"context" and "kubeconfig_file" need "auth_type: kubeConfig"`))
		}
	case "kubeConfig":
	default:
		errs = append(errs, fmt.Errorf(`"auth_type" is %q: write serviceAccount, kubeConfig or none`, k.AuthType))
	}
	if k.RetryPeriod <= 0 || k.RenewDeadline < 2*k.RetryPeriod || k.LeaseDuration <= k.RenewDeadline {
		errs = append(errs, fmt.Errorf(`"lease_duration" %s, "renew_deadline" %s and "retry_period" %s: write lease_duration > renew_deadline >= 2 retry_period > 0`,
			k.LeaseDuration, k.RenewDeadline, k.RetryPeriod))
	}
	return errors.Join(errs...)
}

func (k *electionKeys) election() pipeline.Election {
	return pipeline.Election{
		AuthType: k.AuthType, Context: k.Context, KubeconfigFile: k.KubeconfigFile, LeaseNamespace: k.LeaseNamespace, LeaseName: k.LeaseName,
		LeaseDuration: k.LeaseDuration, RenewDeadline: k.RenewDeadline, RetryPeriod: k.RetryPeriod,
	}
}

func (l *loader) election(d *declaration) {
	value, ok := l.Decode(l.Section("extensions", d, nil), defaultElection)
	d.Config, d.faulty = value, !ok
}

// checkElection finds an election that is named and does not run.
func (l *loader) checkElection(kind pipeline.Kind, d *declaration) {
	user, is := d.Config.(pipeline.ElectionUser)
	if !is || d.faulty {
		return
	}
	key, name := user.ElectionKey()
	id, at, ok := l.named(kind, d, key, name)
	if !ok {
		return
	}
	if _, runs := l.cfg.Service.Elections[id]; !runs {
		l.idle(at, id)
	}
}
