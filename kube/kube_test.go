package kube_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/kubetest"
)

type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) { w.mu.Lock(); defer w.mu.Unlock(); return w.b.Write(p) }
func (w *words) String() string              { w.mu.Lock(); defer w.mu.Unlock(); return w.b.String() }

func use(t *testing.T, path, name string, log *words) *kube.User {
	t.Helper()
	u, err := kube.Use(kube.Access{AuthType: kube.KubeConfig, KubeconfigFile: path}, kube.Feature{
		Name: name, Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: prometheus.NewRegistry(), Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 10 s not yet: %s", what)
		}
	}
}

func start(t *testing.T, u *kube.User) {
	t.Helper()
	if err := u.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
}

func pods(s *kubetest.Server) (open int) {
	for _, w := range s.OpenWatches() {
		if strings.Contains(fmt.Sprint(w), "pods") {
			open++
		}
	}
	return open
}

func podOf(uid, name, ip string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: "uid-" + "x"},
		Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "web", ContainerID: "containerd://" + uid}},
		},
	}
}

// TestOneWatchAKind: features that need different things of pods share a watch, which carries what both need.
func TestOneWatchAKind(t *testing.T) {
	for _, streaming := range []bool{true, false} {
		t.Run(fmt.Sprint("streaming=", streaming), func(t *testing.T) {
			s := kubetest.New(t, kubetest.Options{})
			s.StreamLists(streaming)
			s.Put(kubetest.Cluster(5, 20, 10).All()...)
			var log words
			path := s.Kubeconfig(t)
			a, b := use(t, path, "k8s_attributes", &log), use(t, path, "kubernetes_sd_configs", &log)
			// Both have the same access, or they were two clusters.
			wa := a.Reserve(kube.Want{Kind: kube.Pods, Need: kube.Identity})
			_ = b.Reserve(kube.Want{Kind: kube.Pods, Need: kube.Targets})
			start(t, a)
			start(t, b)
			eventually(t, "both have the pods", func() bool { return a.Synced() && b.Synced() })
			eventually(t, "one watch of pods is open", func() bool { return pods(s) == 1 })
			index, err := wa.Index()
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the index has them", index.Synced)
			n := 0
			index.Range(func(e *kube.Entry) bool {
				p := e.Pod()
				if index.ByUID(p.UID) != e || index.ByName(p.Namespace, p.Name) != e {
					t.Errorf("%s is not found by its uid and name", p.Name)
				}
				n++
				return true
			})
			if n < 100 {
				t.Errorf("%d pods, want 100", n)
			}
			if n := pods(s); n != 1 {
				t.Errorf("%d watches of pods, want 1", n)
			}
			if log.String() != "" {
				t.Errorf("logged: %s", log.String())
			}
		})
	}
}

// TestTheIndexFollows: addresses move, containers restart, deleted pods are found, and revisions say so.
func TestTheIndexFollows(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	var log words
	u := use(t, s.Kubeconfig(t), "k8s_attributes", &log)
	w := u.Reserve(kube.Want{Kind: kube.Pods, Need: kube.Identity, Fields: "spec.nodeName=n1"})
	start(t, u)
	index, err := w.Index()
	if err != nil {
		t.Fatal(err)
	}
	first := podOf("c1", "web-1", "10.0.0.1")
	first.UID = "u1"
	s.Put(first)
	eventually(t, "the pod is found by its address", func() bool { return index.ByIP("10.0.0.1") != nil })
	e := index.ByIP("10.0.0.1")
	before := e.Revision.Load()

	labelled := first.DeepCopy()
	labelled.Labels = map[string]string{"tier": "front"}
	s.Put(labelled)
	eventually(t, "the label is there", func() bool { return e.Pod().Labels["tier"] == "front" })
	if e.Revision.Load() == before {
		t.Error("a label changed, and the revision did not")
	}

	s.Restart(100 * time.Millisecond)
	s.Compact()
	done := labelled.DeepCopy()
	done.Status.Phase = corev1.PodSucceeded
	s.Put(done)
	eventually(t, "a pod that ended has no address", func() bool { return index.ByIP("10.0.0.1") == nil })

	second := podOf("c2", "web-2", "10.0.0.1")
	second.UID = "u2"
	s.Put(second)
	eventually(t, "the address is another pod's", func() bool { e := index.ByIP("10.0.0.1"); return e != nil && e.Pod().UID == "u2" })

	host := podOf("c3", "proxy", "192.168.0.1")
	host.UID, host.Spec.HostNetwork = "u3", true
	s.Put(host)
	eventually(t, "a container is found", func() bool { return index.ByContainer("c3") != nil })
	if index.ByIP("192.168.0.1") != nil {
		t.Error("a pod of the host's network is found by the node's address")
	}
	s.Delete(second)
	s.Put(func() *corev1.Pod { p := podOf("c4", "web-3", "10.0.0.9"); p.UID = "u4"; return p }())
	eventually(t, "a later pod", func() bool { return index.ByUID("u4") != nil })
	if index.ByUID("u2") == nil {
		t.Error("a pod that was just deleted is not found: its last lines are still to be sent")
	}
}

// TestAMissingRightIsSaidOnce, by feature and resource, and what is allowed works.
func TestAMissingRightIsSaidOnce(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Token: "secret-token", TLS: true})
	s.Authorize([]rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}}})
	var log words
	u := use(t, s.Kubeconfig(t), "k8s_attributes", &log)
	u.Reserve(kube.Want{Kind: kube.Namespaces, Need: kube.Identity})
	w := u.Reserve(kube.Want{Kind: kube.Pods, Need: kube.Identity})
	start(t, u)
	t.Cleanup(func() { t.Log(log.String()) })
	eventually(t, "pods are there", func() bool { return w.Informer().HasSynced() })
	eventually(t, "the right is named", func() bool { return strings.Contains(log.String(), "resource=namespaces") })
	time.Sleep(2500 * time.Millisecond) // client-go tries again after about 1 and 2 s
	if n := strings.Count(log.String(), "no right"); n != 1 || !strings.Contains(log.String(), "feature=k8s_attributes") {
		t.Errorf("said %d times: %s", n, log.String())
	}
	if strings.Contains(log.String(), "secret-token") {
		t.Error("the token is in the log")
	}
	s.Authorize(nil)
	eventually(t, "the right is given, and the feature works", u.Synced)
}

func TestOwners(t *testing.T) {
	for _, c := range []struct {
		kind, name, hash    string
		deployment, cronJob string
	}{
		{"ReplicaSet", "web-7d4b9c6f5", "7d4b9c6f5", "web", ""},
		{"ReplicaSet", "by-hand", "", "", ""},
		{"Job", "backup-29012345", "", "", "backup"},
		{"Job", "backup-1700000000", "", "", "backup"},
		{"Job", "migrate-3", "", "", ""},
		{"StatefulSet", "db", "", "", ""},
	} {
		p := &kube.Pod{Owner: kube.Owner{Kind: c.kind, Name: c.name}, Labels: map[string]string{"pod-template-hash": c.hash}}
		if p.Deployment() != c.deployment || p.CronJob() != c.cronJob {
			t.Errorf("%s %s: deployment %q, cron job %q", c.kind, c.name, p.Deployment(), p.CronJob())
		}
	}
}
