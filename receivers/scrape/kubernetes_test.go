package scrape

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestKubernetesDiscovery: a job scrapes the pods of the cluster, follows them as they come and go, and leaves no watch
// when the receiver stops.
func TestKubernetesDiscovery(t *testing.T) {
	serve := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", textType)
		_, _ = fmt.Fprintln(w, "a 1")
	}))
	defer serve.Close()
	host, port, _ := net.SplitHostPort(serve.Listener.Addr().String())
	number, _ := strconv.Atoi(port)
	s := kubetest.New(t, kubetest.Options{})
	pod := func(name string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)},
			Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "web", Ports: []corev1.ContainerPort{{ContainerPort: int32(number)}}}}},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: host},
		}
	}
	s.Put(pod("first"))
	job := "- job_name: pods\n  kubernetes_sd_configs: [{role: pod, kubeconfig_file: '" + s.Kubeconfig(t) + "'}]\n" +
		"  relabel_configs: [{source_labels: [__meta_kubernetes_pod_name], target_label: instance}]\n"
	cfg := Default()
	if err := yaml.Unmarshal([]byte("global: {scrape_interval: 50ms}\nscrape_configs:\n"+job), &cfg.Config); err != nil {
		t.Fatal(err)
	}
	cfg.DiscoveryReloadOnStartup = true
	settings, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
	u := newUps()
	r, err := New(settings, cfg, pipeline.OutputsTo(u, pipeline.Metrics))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Requests()); n > 0 {
		t.Errorf("%d requests before the start", n)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait := func(what string, ok func() bool) {
		t.Helper()
		for begin := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Since(begin) > 20*time.Second {
				t.Fatalf("not yet: %s", what)
			}
		}
	}
	wait("the pod is scraped", func() bool { return u.count("first 1") > 0 })
	s.Put(pod("second"))
	wait("a new pod is scraped", func() bool { return u.count("second 1") > 0 })
	s.Delete(pod("first"))
	wait("a deleted pod is stale", func() bool { return u.count("first stale") > 0 })
	if n := len(s.OpenWatches()); n != 1 {
		t.Errorf("%d watches, want 1", n)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait("no watch is left", func() bool { return len(s.OpenWatches()) == 0 })
}
