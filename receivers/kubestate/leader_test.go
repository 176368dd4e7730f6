package kubestate

import (
	"testing"
	"time"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
)

// TestOnlyTheLeaderSends: of two replicas one sends; when it stops, the other does.
func TestOnlyTheLeaderSends(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(kubetest.Cluster(2, 3, 2).All()...)
	replica := func() *world {
		cfg := Default()
		cfg.CollectionInterval, cfg.K8sLeaderElector = 50*time.Millisecond, "k8s_leader_elector"
		w := newWorld(t, s, cfg)
		w.set.View.Config = &pipeline.Config{Service: pipeline.ServiceConfig{Elections: map[pipeline.ID]pipeline.Election{{Type: "k8s_leader_elector"}: {
			AuthType: "kubeConfig", KubeconfigFile: cfg.KubeconfigFile, LeaseNamespace: "sluice", LeaseName: "state",
			LeaseDuration: 2 * time.Second, RenewDeadline: time.Second, RetryPeriod: 50 * time.Millisecond,
		}}}}
		w.r.settings = w.set
		w.start()
		return w
	}
	sends := func(w *world) {
		t.Helper()
		before := w.rec.Items()
		for end := time.Now().Add(10 * time.Second); w.rec.Items() == before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it sends nothing")
			}
		}
	}
	a := replica()
	sends(a)
	b := replica()
	sends(a)
	sends(a)
	if n := b.rec.Items(); n != 0 {
		t.Errorf("a replica that does not lead sent %d points", n)
	}
	a.stop()
	sends(b)
	b.stop()
}
