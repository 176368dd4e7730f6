package election_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/election"
	"github.com/sluiceio/sluice/kube/kubetest"
)

const leases = "leases.coordination.k8s.io"

func joinWith(t *testing.T, s *kubetest.Server, who string, durations election.Settings) *election.Elector {
	t.Helper()
	durations.Access = kube.Access{AuthType: kube.KubeConfig, KubeconfigFile: s.Kubeconfig(t)}
	durations.Namespace, durations.Name = "sluice", "collector"
	e, err := election.Join(context.Background(), durations, kube.Feature{Name: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, who)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func lease(s *kubetest.Server) *coordinationv1.Lease {
	found, _ := s.Get(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "sluice", Name: "collector"}}).(*coordinationv1.Lease)
	return found
}

// TestStepsDownInTime: a leader whose requests hang has stepped down at its deadline, and not when the request ends: by then another one
// may lead.
func TestStepsDownInTime(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	d := election.Settings{LeaseDuration: 1900 * time.Millisecond, RenewDeadline: 1500 * time.Millisecond, RetryPeriod: 700 * time.Millisecond}
	a := joinWith(t, s, "a", d)
	defer a.Leave()
	until(t, "a leads", func() bool { return leads(a) })
	if got := *lease(s).Spec.LeaseDurationSeconds; got != 2 {
		t.Errorf("the Lease says %d s, want 2: others must not lead before its end", got)
	}
	renewed := func() time.Time { return lease(s).Spec.RenewTime.Time }
	first := renewed()
	until(t, "a renewal", func() bool { return !renewed().Equal(first) })
	remove := s.Inject(kubetest.Fault{Resource: leases, Delay: time.Hour})
	defer remove()
	until(t, "a steps down", func() bool { return !leads(a) })
	if took := time.Since(renewed()); took > d.RenewDeadline+200*time.Millisecond {
		t.Errorf("it stepped down %s after the last renewal, want %s", took, d.RenewDeadline)
	}
}

// TestAShortFault: a leader whose updates fail for less than its deadline leads on, and keeps its notes.
func TestAShortFault(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	a := joinWith(t, s, "a", election.Settings{LeaseDuration: 5 * time.Second, RenewDeadline: 3 * time.Second, RetryPeriod: 50 * time.Millisecond})
	until(t, "a leads", func() bool { return leads(a) })
	_, changed := a.Leads()
	for _, code := range []int{409, 500, 429} {
		remove := s.Inject(kubetest.Fault{Verb: "update", Resource: leases, Code: code})
		a.SetNote("sluice.io/position", fmt.Sprint(code))
		time.Sleep(400 * time.Millisecond)
		remove()
		until(t, "the note", func() bool { return lease(s).Annotations["sluice.io/position"] == fmt.Sprint(code) })
	}
	for range 20 { // somebody labels it
		l := lease(s).DeepCopy()
		l.ResourceVersion, l.Labels = "", map[string]string{"n": fmt.Sprint(time.Now().UnixNano())}
		s.Put(l)
		time.Sleep(5 * time.Millisecond)
	}
	select {
	case <-changed:
		t.Error("it stepped down")
	default:
	}
	remove := s.Inject(kubetest.Fault{Verb: "update", Resource: leases, Code: 409, Times: 1})
	defer remove()
	a.SetNote("sluice.io/position", "last")
	a.Leave()
	if l := lease(s); *l.Spec.HolderIdentity != "" || l.Annotations["sluice.io/position"] != "last" {
		t.Errorf("a conflict kept it from giving the Lease back: %v", l)
	}
}
