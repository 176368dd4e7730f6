package config

import (
	"strings"
	"testing"
	"time"
)

// TestElectionFaults name the key and what to write, in the same order each time.
func TestElectionFaults(t *testing.T) {
	good := *defaultElection().(*electionKeys)
	good.LeaseName, good.LeaseNamespace = "sluice-collector", "sluice"
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(k *electionKeys){
		`"lease_name" is missing`:                        func(k *electionKeys) { k.LeaseName = "" },
		`"lease_namespace" is "x y"`:                     func(k *electionKeys) { k.LeaseNamespace = "x y" },
		`"lease_name" is "A"`:                            func(k *electionKeys) { k.LeaseName = "A" },
		`"auth_type" is "tls"`:                           func(k *electionKeys) { k.AuthType = "tls" },
		`need "auth_type: kubeConfig"`:                   func(k *electionKeys) { k.KubeconfigFile = "/x" },
		`write lease_duration > renew_deadline`:          func(k *electionKeys) { k.LeaseDuration = 5 * time.Second },
		"is missing; all processes of which one shall l": func(k *electionKeys) { k.LeaseName, k.LeaseNamespace = "", "" },
	} {
		k := good
		spoil(&k)
		err := k.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
