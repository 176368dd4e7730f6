package cluster

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluiceio/sluice/kube/kubetest/clusters"
)

// sink remembers the attributes of the resource of each log line.
type sink struct {
	mu    sync.Mutex
	lines map[string]map[string]string
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var req collogs.ExportLogsServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &req)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rl := range req.ResourceLogs {
		attributes := map[string]string{}
		for _, a := range rl.Resource.Attributes {
			attributes[a.Key] = a.Value.GetStringValue()
		}
		for _, sl := range rl.ScopeLogs {
			for _, l := range sl.LogRecords {
				s.lines[l.Body.GetStringValue()] = attributes
			}
		}
	}
}

const agentFile = `
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:%[1]d"}}}
  prometheus:
    config:
      scrape_configs: [{job_name: pods, kubernetes_sd_configs: [{role: pod, own_node: true, kubeconfig_file: %[2]s}], relabel_configs: [{action: drop}]}]
processors:
  k8s_attributes:
    auth_type: kubeConfig
    kubeconfig_file: %[2]s
    filter: {node_from_env_var: K8S_NODE_NAME}
    extract:
      metadata: [k8s.namespace.name, k8s.pod.name, k8s.node.name, k8s.deployment.name, service.name]
      labels: [{key: version, tag_name: version}]
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[3]d", compression: none}
service:
  telemetry: {metrics: {address: "127.0.0.1:%[4]d"}}
  pipelines:
    logs: {receivers: [otlp], processors: [k8s_attributes], exporters: [otlp_http]}
    metrics: {receivers: [prometheus], exporters: [otlp_http]}
`

type agent struct {
	t       *testing.T
	in, own int
	cmd     *exec.Cmd
	log     string // a file
	sink    *sink
}

func (c *control) agent(t *testing.T, node, token string) *agent {
	t.Helper()
	a := &agent{t: t, in: port(t), own: port(t), log: filepath.Join(t.TempDir(), "agent.log"), sink: &sink{lines: map[string]map[string]string{}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	c.must(err)
	srv := &http.Server{Handler: a.sink}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	file := filepath.Join(t.TempDir(), "agent.yaml")
	c.must(os.WriteFile(file, fmt.Appendf(nil, agentFile, a.in, c.kubeconfig(token), l.Addr().(*net.TCPAddr).Port, a.own), 0o600))
	binary, _ := filepath.Abs("../bin/sluice-agent")
	a.cmd = exec.Command(binary, "--config", file, "--data-dir", t.TempDir())
	a.cmd.Env = append(os.Environ(), "K8S_NODE_NAME="+node)
	out, err := os.Create(a.log)
	c.must(err)
	a.cmd.Stdout, a.cmd.Stderr = out, out
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.must(a.cmd.Start())
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
		if t.Failed() {
			t.Log(a.said())
		}
	})
	return a
}

func (a *agent) said() string { b, _ := os.ReadFile(a.log); return string(b) }

// ask pushes a line of a pod and returns what its resource has at the other end; nil if that takes longer than two seconds.
func (a *agent) ask(uid, line string) map[string]string {
	text := func(s string) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
	}
	body, _ := proto.Marshal(&collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: []*common.KeyValue{{Key: "k8s.pod.uid", Value: text(uid)}}},
		ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{{Body: text(line)}}}},
	}}})
	res, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/v1/logs", a.in), "application/x-protobuf", bytes.NewReader(body))
	if err != nil || res.StatusCode != http.StatusOK {
		return nil
	}
	res.Body.Close()
	a.sink.mu.Lock()
	defer a.sink.mu.Unlock()
	return a.sink.lines[line]
}

func (a *agent) until(what string, within time.Duration, ok func(i int) bool) time.Duration {
	a.t.Helper()
	begin := time.Now()
	for i := 0; !ok(i); i++ {
		if time.Since(begin) > within {
			a.t.Fatalf("after %s not yet: %s", within, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(begin)
}

// targets is how many the agent has discovered.
func (a *agent) targets() string {
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", a.own))
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "sluice_kube_objects{") && strings.Contains(line, `resource="pods"`) {
			return strings.TrimSpace(line[strings.LastIndexByte(line, ' '):])
		}
	}
	return ""
}

// account makes the service account that the chart gives the agent, with its rights and no others, and returns a token.
func (c *control) account() string {
	c.t.Helper()
	for _, o := range rendered(c.t.(*testing.T), "../configs/helm/testdata/default.yaml") {
		resources := map[string]string{"ServiceAccount": "serviceaccounts", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings"}
		name := resources[o.GetKind()]
		if name == "" || !strings.HasSuffix(o.GetName(), "-agent") {
			continue
		}
		gvk := o.GroupVersionKind()
		r := c.dynamic.Resource(schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: name})
		var err error
		if o.GetNamespace() != "" {
			_, err = r.Namespace(o.GetNamespace()).Create(background, o, metav1.CreateOptions{})
		} else {
			_, err = r.Create(background, o, metav1.CreateOptions{})
		}
		c.must(err)
	}
	hour := int64(3600)
	token, err := c.kube.CoreV1().ServiceAccounts("sluice").CreateToken(background, "sluice-agent",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}, metav1.CreateOptions{})
	c.must(err)
	return token.Status.Token
}

// fill makes the namespaces and pods of a cluster, with the status that kubelets would have written.
func (c *control) fill(o *clusters.Objects) (pods []*corev1.Pod) {
	c.t.Helper()
	for _, n := range o.Namespaces {
		_, _ = c.kube.CoreV1().Namespaces().Create(background, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels}}, metav1.CreateOptions{})
	}
	for _, p := range o.Pods {
		made := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, Labels: p.Labels, OwnerReferences: p.OwnerReferences},
			Spec:       corev1.PodSpec{NodeName: p.Spec.NodeName, Containers: []corev1.Container{{Name: p.Spec.Containers[0].Name, Image: p.Spec.Containers[0].Image}}},
		}
		made, err := c.kube.CoreV1().Pods(p.Namespace).Create(background, made, metav1.CreateOptions{})
		c.must(err)
		made.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: p.Status.PodIP, PodIPs: p.Status.PodIPs}
		made, err = c.kube.CoreV1().Pods(p.Namespace).UpdateStatus(background, made, metav1.UpdateOptions{})
		c.must(err)
		pods = append(pods, made)
	}
	return pods
}

// TestAgent: with the rights of the chart, an agent says who the pods of its node are, sees a changed label within two seconds, and goes on
// after a restart of the API server. Without the right, it says which is missing, and takes telemetry all the same.
func TestAgent(t *testing.T) {
	c := start(t)
	c.namespace("sluice", "privileged")
	pods := c.fill(clusters.New(3, 20, 3))
	node := pods[0].Spec.NodeName
	token := c.account()
	a := c.agent(t, node, token)
	var own []*corev1.Pod
	for _, p := range pods {
		if p.Spec.NodeName == node {
			own = append(own, p)
		}
	}
	a.until("the agent is there", 20*time.Second, func(i int) bool { return a.ask(string(own[0].UID), "first") != nil })
	for _, p := range own {
		got := a.ask(string(p.UID), p.Namespace+"/"+p.Name)
		if got["k8s.pod.name"] != p.Name || got["k8s.namespace.name"] != p.Namespace || got["k8s.node.name"] != node {
			t.Errorf("%s: %v", p.Name, got)
		}
	}
	if n := a.targets(); n != fmt.Sprint(len(own)) {
		t.Errorf("%q pods are seen, want the %d of the node", n, len(own))
	}

	label := func(p *corev1.Pod, version string) {
		t.Helper()
		_, err := c.kube.CoreV1().Pods(p.Namespace).Patch(background, p.Name, "application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"labels":{"version":%q}}}`, version), metav1.PatchOptions{})
		c.must(err)
	}
	sees := func(p *corev1.Pod, version string) func(int) bool {
		return func(i int) bool { return a.ask(string(p.UID), fmt.Sprint(version, i))["version"] == version }
	}
	label(own[0], "v2")
	t.Logf("a changed label after %s", a.until("the new label", 2*time.Second, sees(own[0], "v2")))
	c.restart()
	label(own[0], "v3")
	t.Logf("one after a restart of the API server after %s", a.until("a label after a restart", 35*time.Second, sees(own[0], "v3")))

	c.must(c.kube.RbacV1().ClusterRoleBindings().Delete(background, "sluice:sluice-agent", metav1.DeleteOptions{}))
	b := c.agent(t, node, token)
	b.until("what is missing is said", 20*time.Second, func(int) bool {
		return strings.Contains(b.said(), "no right for a feature") && strings.Contains(b.said(), "resource=pods")
	})
	b.until("telemetry passes", 20*time.Second, func(i int) bool { return b.ask(string(own[0].UID), fmt.Sprint("poor", i)) != nil })
}
