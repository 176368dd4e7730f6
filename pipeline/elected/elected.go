// Package elected is for receivers of which only one of several processes may run: the one that holds the Lease of an extension
// k8s_leader_elector.
package elected

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/election"
	"github.com/sluiceio/sluice/pipeline"
)

// Join takes part in the election of the extension that the configuration names; Leave ends it. Call it in Start. Without a name it
// returns nil.
func Join(ctx context.Context, s pipeline.Settings, name string) (*election.Elector, error) {
	if name == "" {
		return nil, nil
	}
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
	}, kube.Feature{Name: s.ID.String(), Log: s.Log, Version: s.Version}, identity())
}

// identity is this process's among those that take part.
func identity() string {
	name := os.Getenv("K8S_POD_NAME")
	if name == "" {
		if name, _ = os.Hostname(); name == "" {
			name = "sluice"
		}
	}
	return fmt.Sprintf("%s_%d", name, time.Now().UnixNano())
}

// While calls lead each time that this process becomes the leader, with a context that ends when it is not any more, and returns when ctx
// ends and lead has returned. Without an election this process always leads.
func While(ctx context.Context, e *election.Elector, lead func(context.Context)) {
	if e == nil {
		lead(ctx)
		return
	}
	for ctx.Err() == nil {
		leads, changed := e.Leads()
		term, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if leads {
				lead(term)
			}
		}()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		cancel()
		<-ended
	}
}
