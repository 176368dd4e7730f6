package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline/config"
	"github.com/sluiceio/sluice/pipeline/config/read"
	"github.com/sluiceio/sluice/pipeline/engine"
)

const onCluster = `
receivers:
  nop: {}
  prometheus:
    config:
      global: {scrape_interval: 60s}
      scrape_configs:
        - {job_name: pods, relabel_configs: [{action: drop}], kubernetes_sd_configs: [{role: pod, own_node: true, kubeconfig_file: %[1]s, %[2]s}]}
        - {job_name: nodes, relabel_configs: [{action: drop}], kubernetes_sd_configs: [{role: node, own_node: true, kubeconfig_file: %[1]s}]}
        - {job_name: services, relabel_configs: [{action: drop}], kubernetes_sd_configs: [{role: service, own_node: true, kubeconfig_file: %[1]s}]}
        - {job_name: endpoints, relabel_configs: [{action: drop}], kubernetes_sd_configs: [{role: endpoints, own_node: true, kubeconfig_file: %[1]s, %[2]s}]}
        - {job_name: slices, relabel_configs: [{action: drop}], kubernetes_sd_configs: [{role: endpointslice, own_node: true, kubeconfig_file: %[1]s, %[2]s}]}
    annotations: {enabled: true, own_node: true, scrape_interval: 2400h, kubeconfig_file: %[1]s}
    kubelet: {enabled: true, scrape_interval: 1s, kubeconfig_file: %[1]s, token_file: %[3]s, ca_file: %[4]s}
processors:
  k8s_attributes:
    auth_type: kubeConfig
    kubeconfig_file: %[1]s
    filter: {node_from_env_var: K8S_NODE_NAME}
    extract:
      metadata: [k8s.pod.name, k8s.deployment.name, k8s.cronjob.name, k8s.node.name, service.name]
      labels: [{key_regex: (.*), from: pod}, {key: team, from: namespace}, {key: zone, from: node}]
exporters:
  nop: {}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [prometheus], processors: [k8s_attributes], exporters: [nop]}
    logs: {receivers: [nop], processors: [k8s_attributes], exporters: [nop]}
`

// TestWhatAnAgentAsksOfALargeCluster: with all discovery, kubelet, annotations and pod attributes on, one agent of 1,000 nodes and 5,000
// Services watches cluster-wide nothing but Services, each kind once, and changes of other nodes are not sent to it.
func TestWhatAnAgentAsksOfALargeCluster(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Token: "secret", TLS: true})
	cluster := kubetest.Cluster(1000, 10, 5000)
	s.Put(cluster.All()...)
	own := cluster.Pods[0].Spec.NodeName
	const onNode = 110
	mine := cluster.PodsOn(own)
	for i := len(mine); i < onNode; i++ {
		p := mine[i%10].DeepCopy()
		p.Name, p.UID = fmt.Sprintf("more-%d", i), types.UID(fmt.Sprintf("more-%d", i))
		s.Put(p)
	}
	kubelet := kubetest.NewKubelet(t, s, own)
	s.ForgetRequests()
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("K8S_NODE_NAME", own)
	t.Setenv("K8S_NODE_IP", "")
	file := fmt.Sprintf(onCluster, s.Kubeconfig(t), "attach_metadata: {node: true, namespace: true, deployment: true, job: true, cronjob: true}", write("token", "secret"), write("ca.crt", string(kubelet.CA())))
	cfg, _, err := config.Load(t.Context(), read.Sources{Embedded: []read.Text{{Name: "test", YAML: []byte(file)}}}, Components(), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	service := engine.NewService(slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), t.TempDir(), "test")
	if err := service.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer service.Stop(context.Background())

	all := func() (objects, bytes int64) {
		for _, c := range s.Counts() {
			objects += c.Objects
			bytes += c.Bytes
		}
		return objects, bytes
	}
	until := func(what string, true func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !true(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not yet: %s: %+v", what, s.Counts())
			}
		}
	}
	// The kubelet's reviews are in the counts too; they are the kubelet's.
	want := map[kubetest.Asked]int64{
		{Verb: "watch", Resource: "pods", Fields: "spec.nodeName=" + own}:  onNode,
		{Verb: "watch", Resource: "nodes", Fields: "metadata.name=" + own}: 1,
		{Verb: "watch", Resource: "services"}:                              5000,
	}
	until("the first lists, and a scrape of the kubelet", func() bool {
		counts := s.Counts()
		for asked, objects := range want {
			if counts[asked].Objects < objects {
				return false
			}
		}
		return len(kubelet.Requests()) >= 3
	})
	namespaces := map[string]bool{}
	for _, p := range mine {
		namespaces[p.Namespace] = true
	}
	fetched := 0
	for asked, c := range s.Counts() {
		switch {
		case want[asked] > 0:
			if c.Requests != 1 || c.Open != 1 || c.Objects != want[asked] {
				t.Errorf("%+v: %+v, want one open watch with %d objects", asked, c, want[asked])
			}
			t.Logf("%s %s: %d objects, %d bytes", asked.Verb, asked.Resource, c.Objects, c.Bytes)
		case asked.Verb == "get" && (asked.Resource == "namespaces" || asked.Resource == "nodes"):
			fetched += c.Requests
		case strings.HasSuffix(asked.Resource, "reviews.authentication.k8s.io"), strings.HasSuffix(asked.Resource, "reviews.authorization.k8s.io"):
		default:
			t.Errorf("asked for %+v: %+v", asked, c)
		}
	}
	if n := len(s.OpenWatches()); n != len(want) {
		t.Errorf("%d watches, want %d", n, len(want))
	}
	if fetched > 3*len(namespaces) { // once by kubernetes_sd_configs, and by k8s_attributes in each of its two pipelines
		t.Errorf("%d objects are fetched one by one for %d namespaces", fetched, len(namespaces))
	}
	objects, bytes := all()
	t.Logf("%d objects, %d bytes in all, %d fetched one by one", objects, bytes, fetched)
	if bytes > 3<<20 {
		t.Errorf("%d bytes for the start of one agent", bytes)
	}

	// What happens elsewhere is not sent; one change of an own pod tells that it would have come.
	before := s.Counts()
	for _, p := range cluster.Pods[len(cluster.Pods)-500:] {
		if p.Spec.NodeName == own {
			continue
		}
		p = p.DeepCopy()
		p.Labels["changed"] = "yes"
		s.Put(p)
	}
	for _, e := range cluster.EndpointSlices[:500] {
		e = e.DeepCopy()
		e.Labels["changed"] = "yes"
		s.Put(e)
	}
	s.Put(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "new"}})
	mark := s.Get(mine[0]).DeepCopyObject().(*corev1.Pod)
	mark.Labels["changed"] = "yes"
	s.Put(mark)
	pods := kubetest.Asked{Verb: "watch", Resource: "pods", Fields: "spec.nodeName=" + own}
	until("the change of the own pod", func() bool { return s.Counts()[pods].Objects > before[pods].Objects })
	for asked := range want {
		more := int64(0)
		if asked == pods {
			more = 1
		}
		if got := s.Counts()[asked].Objects - before[asked].Objects; got != more {
			t.Errorf("%+v: %d objects after changes elsewhere, want %d", asked, got, more)
		}
	}
}
