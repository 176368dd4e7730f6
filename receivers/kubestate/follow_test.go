package kubestate

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
)

func quick() *Config {
	c := Default()
	c.CollectionInterval = 100 * time.Millisecond // less than users may write
	return c
}

func waiting(reason string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "u1"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "a"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{Name: "main"}}},
	}
	if reason != "" {
		p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: reason}
	}
	return p
}

// TestWhatIsGoneIsStale: a reason that went, a pod that was deleted; and nothing else ends, over a new list, a restart of the server
// and a reload.
func TestWhatIsGoneIsStale(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(kubetest.Cluster(2, 10, 4).All()...)
	s.Put(waiting("CrashLoopBackOff"))
	w := newWorld(t, s, quick())
	w.start()
	const crash, pull = `reason="CrashLoopBackOff"`, `reason="ImagePullBackOff"`
	w.eventually("the reason is there", func() bool {
		v, is := w.last("kube_pod_container_status_waiting_reason", crash)
		return is && v.value == 1
	})
	s.Put(waiting("ImagePullBackOff"))
	w.eventually("the other reason is there", func() bool { v, is := w.last("waiting_reason", pull); return is && v.value == 1 })
	w.eventually("the first one ended", func() bool { v, _ := w.last("waiting_reason", crash); return v.stale })
	w.eventually("a series that stays has a sample after it", func() bool {
		v, _ := w.last("kube_pod_container_status_waiting{", `pod="web"`)
		return v.value == 1 && !v.stale
	})

	s.Restart(50 * time.Millisecond)
	s.Compact()
	s.Put(waiting(""))
	w.eventually("after a new list the second reason ends", func() bool { v, _ := w.last("waiting_reason", pull); return v.stale })

	// A reload: the next graph's receiver knows what the last one sent.
	w.set.Estates.Open()
	w.stop()
	next := &world{t: t, server: s, cfg: w.cfg, rec: w.rec, set: w.set, ledger: w.ledger}
	next.set.Metrics = newRegistry()
	r, err := New(next.set, w.cfg, pipeline.OutputsTo(w.rec, pipeline.Metrics))
	if err != nil {
		t.Fatal(err)
	}
	next.r = r.(*Receiver)
	s.Delete(waiting(""))
	next.start()
	w.set.Estates.Close()
	next.eventually("the deleted pod's series end", func() bool {
		v, _ := w.last("kube_pod_info", `pod="web"`)
		phase, _ := w.last("kube_pod_status_phase", `pod="web"`, "Running")
		return v.stale && phase.stale
	})
	next.stop()
	for _, v := range next.samples() {
		if v.stale && !strings.Contains(v.series, `pod="web"`) {
			t.Errorf("%s ended", v.series)
		}
	}
}

// TestEachSeriesOnceACollection: also where a collection is many requests.
func TestEachSeriesOnceACollection(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(kubetest.Cluster(20, 30, 40).All()...)
	w := newWorld(t, s, Default())
	w.start()
	w.eventually("a collection is there", func() bool { _, is := w.last("scrape_samples_scraped"); return is })
	w.stop()
	seen := map[string]bool{}
	pods := map[string]bool{}
	all := w.samples()
	for _, v := range all {
		if seen[v.series] {
			t.Errorf("%s came twice", v.series)
		}
		seen[v.series] = true
		if v.stale || v.time != all[0].time {
			t.Errorf("%s: stale %v, at %d and not %d", v.series, v.stale, v.time, all[0].time)
		}
		if strings.HasPrefix(v.series, "kube_pod_info{") {
			pods[v.series] = true
		}
	}
	if len(pods) != 600 || len(w.rec.Batches()) < 3 {
		t.Errorf("%d pods in %d requests", len(pods), len(w.rec.Batches()))
	}
	if v, _ := w.last("scrape_samples_scraped"); int(v.value) != len(all)-3 {
		t.Errorf("scrape_samples_scraped is %v of %d", v.value, len(all))
	}
}

// TestRights are those of the README: with one removed the log says which, and the other resources have their series.
func TestRights(t *testing.T) {
	groups := map[string][]string{
		"":                  {"pods", "nodes", "namespaces", "services", "resourcequotas", "persistentvolumes", "persistentvolumeclaims"},
		"apps":              {"deployments", "replicasets", "statefulsets", "daemonsets"},
		"batch":             {"jobs", "cronjobs"},
		"autoscaling":       {"horizontalpodautoscalers"},
		"policy":            {"poddisruptionbudgets"},
		"networking.k8s.io": {"ingresses"},
	}
	rules := func(without string) (out []rbacv1.PolicyRule) {
		for group, resources := range groups {
			out = append(out, rbacv1.PolicyRule{
				APIGroups: []string{group}, Verbs: []string{"list", "watch"},
				Resources: slices.DeleteFunc(slices.Clone(resources), func(r string) bool { return r == without }),
			})
		}
		return out
	}
	for _, without := range []string{"", "nodes", "cronjobs"} {
		t.Run("without "+without, func(t *testing.T) {
			s := kubetest.New(t, kubetest.Options{})
			s.Put(kubetest.Cluster(3, 10, 4).All()...)
			s.Authorize(rules(without))
			w := newWorld(t, s, quick())
			w.start()
			w.eventually("pods have series", func() bool { _, is := w.last("kube_pod_info"); return is })
			w.stop()
			_, nodes := w.last("kube_node_info")
			_, crons := w.last("kube_cronjob_info")
			if nodes != (without != "nodes") || crons != (without != "cronjobs") {
				t.Errorf("series of nodes: %v, of CronJobs: %v", nodes, crons)
			}
		})
	}
}

// TestNothingBeforeTheList: while the API server is away there is no sample, not even up.
func TestNothingBeforeTheList(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(waiting(""))
	cfg := quick()
	w := newWorld(t, s, cfg)
	s.Stop()
	w.start()
	time.Sleep(5 * cfg.CollectionInterval)
	if n := w.rec.Items(); n != 0 {
		t.Errorf("%d samples without a list", n)
	}
	s.Start()
	w.eventually("then there are some", func() bool { _, is := w.last("kube_pod_info"); return is })
	w.stop()
}

// TestNamespaces: only what is in them, and what is in none.
func TestNamespaces(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(kubetest.Cluster(3, 10, 12).All()...)
	cfg := quick()
	cfg.Namespaces = []string{"team-01", "team-02"}
	w := newWorld(t, s, cfg)
	w.start()
	w.eventually("a collection is there", func() bool { _, is := w.last("up{"); return is })
	w.stop()
	count := map[string]int{}
	for _, v := range w.samples() {
		_, rest, _ := strings.Cut(v.series, `{namespace="`)
		namespace, _, _ := strings.Cut(rest, `"`)
		if strings.HasPrefix(v.series, "kube_pod_") {
			count[namespace]++
		}
	}
	if _, nodes := w.last("kube_node_info"); len(count) != 2 || count["team-01"] == 0 || count["team-02"] == 0 || !nodes {
		t.Errorf("pods: %v, nodes: %v", count, nodes)
	}
}

func BenchmarkCollection(b *testing.B) {
	c := kubetest.Cluster(100, 100, 500)
	var pods []entry
	for _, p := range c.Pods {
		pods = append(pods, entry{p.Namespace + "/" + p.Name, p})
	}
	slices.SortFunc(pods, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	r := newRequest("j", "i")
	cfg := Default()
	cfg.Resources = []string{"pods"}
	kinds := []watched{{kind: cfg.kinds()[0]}}
	now := snapshot{"pods": pods}
	bytes, items := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		bytes, items = 0, 0
		w := &writer{request: &r, put: func(n int, p []byte) bool { items += n; bytes += len(p); return true }, pace: func() bool { return true }}
		w.write(kinds, now, now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(items), "ns/series")
	b.ReportMetric(float64(bytes)/float64(items), "B/series")
	b.ReportMetric(float64(items)/float64(len(pods)), "series/pod")
}

// TestOneLeads: of two processes one makes the series and has watches; when it stops the other one goes on.
func TestOneLeads(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(waiting(""))
	worlds := [2]*world{}
	for i := range worlds {
		cfg := quick()
		cfg.Resources, cfg.K8sLeaderElector = []string{"pods"}, "k8s_leader_elector"
		w := newWorld(t, s, cfg)
		w.r.settings.View.Config = &pipeline.Config{Service: pipeline.ServiceConfig{Elections: map[pipeline.ID]pipeline.Election{{Type: "k8s_leader_elector"}: {
			AuthType: "kubeConfig", KubeconfigFile: s.Kubeconfig(t), LeaseNamespace: "sluice", LeaseName: "state",
			LeaseDuration: 2 * time.Second, RenewDeadline: time.Second, RetryPeriod: 50*time.Millisecond + time.Duration(i), // else they would share an elector
		}}}}
		w.start()
		worlds[i] = w
	}
	has := func(w *world) bool { _, is := w.last("kube_pod_info"); return is }
	first, other := worlds[0], worlds[1]
	first.eventually("one of them leads", func() bool { return has(first) || has(other) })
	if has(other) {
		first, other = other, first
	}
	time.Sleep(3 * first.cfg.CollectionInterval)
	if n := len(s.OpenWatches()); other.rec.Items() != 0 || n != 1 {
		t.Errorf("the other one sent %d samples, %d watches are open", other.rec.Items(), n)
	}
	first.stop()
	sent := first.rec.Items()
	other.eventually("the other one goes on", func() bool { return has(other) })
	other.stop()
	if first.rec.Items() != sent {
		t.Error("the first one sends though it stopped")
	}
}
