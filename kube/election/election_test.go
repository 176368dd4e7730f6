package election_test

import (
	"context"
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

const wait = 20 * time.Second

func join(t *testing.T, s *kubetest.Server, who string) *election.Elector {
	t.Helper()
	// Each has a kubeconfig of its own, so that they are not taken for one process.
	e, err := election.Join(context.Background(), election.Settings{
		Access: kube.Access{AuthType: kube.KubeConfig, KubeconfigFile: s.Kubeconfig(t)}, Namespace: "sluice", Name: "collector",
		LeaseDuration: 3 * time.Second, RenewDeadline: time.Second, RetryPeriod: 50 * time.Millisecond,
	}, kube.Feature{Name: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, who)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(wait); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s not yet: %s", wait, what)
		}
	}
}

func leads(e *election.Elector) bool { is, _ := e.Leads(); return is }

// TestOneLeads: never two; who leaves hands over at once, with what it noted; who loses the API server steps down before another leads.
func TestOneLeads(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	a := join(t, s, "a")
	until(t, "a leads", func() bool { return leads(a) })
	b := join(t, s, "b")
	a.SetNote("sluice.io/position", "7")
	b.SetNote("sluice.io/position", "never") // it does not lead
	time.Sleep(300 * time.Millisecond)
	if leads(b) {
		t.Fatal("two lead")
	}
	a.SetNote("sluice.io/position", "8")
	begin := time.Now()
	a.Leave()
	until(t, "b leads", func() bool { return leads(b) })
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the change took %s", took)
	}
	if got := b.Note("sluice.io/position"); got != "8" {
		t.Errorf("b knows %q, want 8", got)
	}

	c := join(t, s, "c")
	defer c.Leave()
	remove := s.Inject(kubetest.Fault{Resource: "leases.coordination.k8s.io", Code: 500})
	until(t, "b steps down", func() bool { return !leads(b) })
	if leads(c) {
		t.Error("c leads without the API server")
	}
	remove()
	until(t, "one leads again", func() bool {
		if leads(b) && leads(c) {
			t.Fatal("two lead")
		}
		return leads(b) || leads(c)
	})
	b.Leave()
	until(t, "c leads", func() bool { return leads(c) })
}

// TestAForeignHolder: a Lease that somebody else renews is left alone, and taken after its end.
func TestAForeignHolder(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	who, seconds := "someone", int32(1)
	s.Put(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sluice", Name: "collector", Annotations: map[string]string{"sluice.io/position": "5"}},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &who, LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: time.Now().Add(-time.Hour)}},
	})
	begin := time.Now()
	a := join(t, s, "a")
	defer a.Leave()
	until(t, "a leads", func() bool { return leads(a) })
	if took := time.Since(begin); took < time.Second {
		t.Errorf("it was taken after %s: our clock decides, not the holder's", took)
	}
	if a.Note("sluice.io/position") != "5" {
		t.Error("the note is lost")
	}
}
