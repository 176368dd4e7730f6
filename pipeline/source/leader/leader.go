// Package leader joins a receiver to the election that its configuration names.
package leader

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/election"
	"github.com/sluiceio/sluice/pipeline"
)

// Join takes part in the election of the extension k8s_leader_elector with the name. Who joined must Leave.
func Join(ctx context.Context, s pipeline.Settings, name string, f kube.Feature) (*election.Elector, error) {
	id, err := pipeline.ParseID(name)
	if err != nil {
		return nil, err
	}
	e, runs := s.View.Config.Service.Elections[id]
	if !runs {
		return nil, fmt.Errorf("extension %s does not run; list it in service::extensions", id)
	}
	return election.Join(ctx, election.Settings{
		Access:    kube.Access{AuthType: e.AuthType, Context: e.Context, KubeconfigFile: e.KubeconfigFile},
		Namespace: e.LeaseNamespace, Name: e.LeaseName, LeaseDuration: e.LeaseDuration, RenewDeadline: e.RenewDeadline, RetryPeriod: e.RetryPeriod,
	}, f, identity())
}

// identity is the pod's name where there is one (the host's name is the same in a container), and the time, so that a process that starts
// again is another one.
func identity() string {
	name, err := os.Hostname()
	if pod := os.Getenv("K8S_POD_NAME"); pod != "" {
		name = pod
	} else if err != nil {
		name = "sluice"
	}
	return fmt.Sprintf("%s_%d", name, time.Now().UnixNano())
}
