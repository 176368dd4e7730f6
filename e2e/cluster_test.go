package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluiceio/sluice/kube/kubetest"
)

// podLogs takes logs and remembers what each line's resource said of its pod.
type podLogs struct {
	mu    sync.Mutex
	lines map[string]map[string]string // by body
}

func (p *podLogs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := plain(r)
	var req collogs.ExportLogsServiceRequest
	if err == nil && r.URL.Path == "/v1/logs" {
		err = proto.Unmarshal(body, &req)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rl := range req.ResourceLogs {
		attributes := map[string]string{}
		for _, a := range rl.GetResource().GetAttributes() {
			attributes[a.Key] = a.Value.GetStringValue()
		}
		for _, sl := range rl.ScopeLogs {
			for _, l := range sl.LogRecords {
				p.lines[l.GetBody().GetStringValue()] = attributes
			}
		}
	}
}

func (p *podLogs) of(line string) map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[line]
}

const agentOnANode = `
receivers:
  tail: {include: [%[1]s/*/*/*.log], start_at: beginning}
  host: {collection_interval: 5s}
  prometheus:
    scrape_self: sluice-agent
    config:
      global: {scrape_interval: 5s}
      scrape_configs:
        - job_name: pods
          kubernetes_sd_configs: [{role: pod, own_node: true, kubeconfig_file: %[2]s}]
          relabel_configs: [{source_labels: [__meta_kubernetes_pod_ip], regex: '(127\..*)', target_label: __address__, replacement: '$$1:%[3]d'}]
    kubelet: {enabled: true, port: %[4]d, token_file: %[5]s, ca_file: %[6]s, kubeconfig_file: %[2]s}
  otlp: {protocols: {http: {endpoint: "127.0.0.1:%[7]d"}}}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: 400}
  k8s_attributes:
    auth_type: kubeConfig
    kubeconfig_file: %[2]s
    filter: {node_from_env_var: K8S_NODE_NAME}
    extract:
      metadata: [k8s.namespace.name, k8s.pod.name, k8s.pod.uid, k8s.node.name, k8s.deployment.name, k8s.container.name, container.image.name, service.name]
      labels: [{key: kubernetes.io/metadata.name, tag_name: ns, from: namespace}]
  batch: {}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[8]d", compression: zstd, sending_queue: {storage: file_storage}}
  otlp_http/files: {endpoint: "http://127.0.0.1:%[8]d", compression: zstd}
extensions: {file_storage: {}, health_check: {endpoint: "127.0.0.1:%[9]d"}}
service:
  extensions: [file_storage, health_check]
  telemetry: {metrics: {address: "127.0.0.1:%[10]d"}}
  pipelines:
    metrics: {receivers: [prometheus, host, otlp], processors: [memory_limiter, k8s_attributes, batch], exporters: [otlp_http]}
    logs: {receivers: [otlp], processors: [memory_limiter, k8s_attributes, batch], exporters: [otlp_http]}
    logs/files: {receivers: [tail], processors: [memory_limiter, k8s_attributes, batch], exporters: [otlp_http/files]}
    traces: {receivers: [otlp], processors: [memory_limiter, k8s_attributes, batch], exporters: [otlp_http]}
`

// TestAgentOnANode: an agent on a node with 110 pods reads their logs, scrapes them and the kubelet, and says who each is, also of a
// pod that is made while it runs; its memory stays in bounds.
func TestAgentOnANode(t *testing.T) {
	const pods, most = 110, 130 // MiB; 109 to 112 were measured, of which 43 are pages of the binary
	dir := t.TempDir()
	server := kubetest.New(t, kubetest.Options{Token: "secret", TLS: true})
	cluster := kubetest.Cluster(20, 25, 50)
	server.Put(cluster.All()...)
	node := cluster.Pods[0].Spec.NodeName
	own := cluster.PodsOn(node)
	kubelet := kubetest.NewKubelet(t, server, node)
	_, port, _ := net.SplitHostPort(kubelet.Address())
	kubeletPort, _ := strconv.Atoi(port)

	// The pods are at addresses of the loopback network, where one server answers for all.
	page := ""
	for i := range 200 {
		page += fmt.Sprintf("requests_total{path=\"/a/path/%d\",code=\"200\"} %d\n", i, i)
	}
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	scraped := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, page)
	})}
	go func() { _ = scraped.Serve(l) }()
	t.Cleanup(func() { scraped.Close() })

	var all []*corev1.Pod
	add := func(p *corev1.Pod, n int) {
		p.Status.PodIP = fmt.Sprintf("127.1.%d.%d", n/200, 1+n%200)
		p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
		p.Spec.HostNetwork, p.Status.Phase = false, corev1.PodRunning
		server.Put(p)
		all = append(all, p)
	}
	for n := range pods {
		p := own[n%len(own)].DeepCopy()
		if n >= len(own) {
			p.Name, p.UID, p.ResourceVersion = fmt.Sprintf("%s-%d", p.Name, n), types.UID(fmt.Sprintf("uid-%d", n)), ""
		}
		add(p, n)
	}
	logs := filepath.Join(dir, "pods")
	say := func(p *corev1.Pod, line string) {
		folder := filepath.Join(logs, p.Namespace+"_"+p.Name+"_"+string(p.UID), p.Spec.Containers[0].Name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(folder, "0.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintf(f, "%s stdout F %s\n", time.Now().UTC().Format(time.RFC3339Nano), line)
	}
	for n, p := range all {
		say(p, fmt.Sprint("first ", n))
	}

	sink := &podLogs{lines: map[string]map[string]string{}}
	counts := newOTLPSink(t)
	to, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taking := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/logs" {
			sink.ServeHTTP(w, r)
			return
		}
		counts.serve(w, r)
	})}
	go func() { _ = taking.Serve(to) }()
	t.Cleanup(func() { taking.Close() })

	free := ports(t, 3)
	config := file(t, dir, "agent.yaml", agentOnANode, logs, server.Kubeconfig(t), l.Addr().(*net.TCPAddr).Port, kubeletPort,
		file(t, dir, "token", "secret"), file(t, dir, "ca.crt", "%s", kubelet.CA()), free[0], to.Addr().(*net.TCPAddr).Port, free[1], free[2])
	cmd := exec.Command(binary(t, "sluice-agent"), "--config", config, "--data-dir", filepath.Join(dir, "data"))
	cmd.Env = append(os.Environ(), "K8S_NODE_NAME="+node, "K8S_NODE_IP=127.0.0.1")
	agent := begin(t, "sluice-agent", cmd).ready(free[1])

	check := func(p *corev1.Pod, line string) {
		t.Helper()
		eventually(t, 20*time.Second, line, func() bool { return sink.of(line) != nil })
		got := sink.of(line)
		for k, want := range map[string]string{
			"k8s.pod.name": p.Name, "k8s.pod.uid": string(p.UID), "k8s.namespace.name": p.Namespace, "ns": p.Namespace, "k8s.node.name": node,
			"k8s.container.name": p.Spec.Containers[0].Name,
		} {
			if got[k] != want && !(k == "k8s.pod.uid" && got[k] == p.Annotations["kubernetes.io/config.hash"]) {
				t.Errorf("%q: %s is %q, want %q", line, k, got[k], want)
			}
		}
	}
	for n, p := range all {
		check(p, fmt.Sprint("first ", n))
	}
	late := own[0].DeepCopy()
	late.Name, late.UID, late.ResourceVersion = "late", "uid-late", ""
	say(late, "before the API server shows it")
	time.Sleep(300 * time.Millisecond)
	if sink.of("before the API server shows it") != nil {
		t.Error("the line of a pod that was not known yet went on")
	}
	add(late, pods)
	check(late, "before the API server shows it")

	for _, name := range []string{"requests_total", "kubelet_running_pods", "container_cpu_usage_seconds_total", "node_load1"} {
		eventually(t, 30*time.Second, name, func() bool { return counts.named(name) >= 3 })
	}
	time.Sleep(5 * time.Second) // two more scrapes of all
	if rss := residentMiB(t, agent.cmd.Process.Pid); rss > most {
		t.Errorf("the agent has %d MiB, more than %d", rss, most)
	} else {
		t.Logf("%d pods: %d MiB resident", pods, rss)
	}
	if n := unaccounted(t, free[2]); n != 0 {
		t.Errorf("%v items are not accounted for", n)
	}
	agent.terminate()
}

// residentMiB is what a process has in memory now.
func residentMiB(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, is := strings.CutPrefix(line, "VmRSS:"); is {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
