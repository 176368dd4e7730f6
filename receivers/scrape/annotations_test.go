package scrape

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/receivers/scrape/kubesd"
	"github.com/sluiceio/sluice/receivers/scrape/presets"
)

// annotated runs the switch over pods; dial stands for the network.
func annotated(t *testing.T, sink pipeline.Sink, change func(*Config), dial func(ctx context.Context, network, address string) (net.Conn, error), pods ...*corev1.Pod) *Receiver {
	t.Helper()
	s := kubetest.New(t, kubetest.Options{})
	for _, p := range pods {
		s.Put(p)
	}
	cfg := Default()
	cfg.Config = map[string]any{"global": map[string]any{"scrape_interval": "50ms"}}
	cfg.DiscoveryReloadOnStartup = true
	cfg.Annotations = presets.Annotations{Enabled: true, KubeconfigFile: s.Kubeconfig(t)}
	if change != nil {
		change(cfg)
	}
	settings, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
	r, err := newReceiver(settings, cfg, pipeline.OutputsTo(sink, pipeline.Metrics), dial)
	if err == nil {
		err = r.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Stop(context.Background()) })
	return r
}

func annotatedPod(name string, annotations map[string]string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Annotations: map[string]string{"prometheus.io/scrape": "true"}},
		Spec:   corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "web", Ports: []corev1.ContainerPort{{ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.1.0.1"}}
	for k, v := range annotations {
		p.Annotations["prometheus.io/"+k] = v
	}
	if change != nil {
		change(p)
	}
	return p
}

// TestAnnotations: each rule of what annotations decide, and what they do not.
func TestAnnotations(t *testing.T) {
	ip := func(ip string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Status.PodIP = ip } }
	phase := func(phase corev1.PodPhase) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Status.Phase = phase } }
	a := func(pairs ...string) map[string]string {
		out := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return out
	}
	cases := []struct {
		name        string
		annotations map[string]string
		change      func(*corev1.Pod)
		want        []string
	}{
		{"plain", nil, nil, []string{"http://10.1.0.1:8080/metrics"}},
		{"switched-off", a("scrape", "false"), nil, nil},
		{"yes-is-not-true", a("scrape", "yes"), nil, nil},
		{"a-port", a("port", "9090"), nil, []string{"http://10.1.0.1:9090/metrics"}},
		{"a-path", a("path", "/actuator/prometheus"), nil, []string{"http://10.1.0.1:8080/actuator/prometheus"}},
		{"https", a("scheme", "https", "port", "8443"), nil, []string{"https://10.1.0.1:8443/metrics"}},
		{"another-scheme", a("scheme", "file"), nil, []string{"http://10.1.0.1:8080/metrics"}},
		{"scheme-with-host", a("scheme", "http://evil.example/"), nil, []string{"http://10.1.0.1:8080/metrics"}},
		{"path-is-a-url", a("path", "http://169.254.169.254/latest"), nil, []string{"http://10.1.0.1:8080/metrics"}},
		{"path-is-a-file", a("path", "file:///etc/passwd"), nil, []string{"http://10.1.0.1:8080/metrics"}},
		{"path-like-a-host", a("path", "//evil.example/x"), nil, []string{"http://10.1.0.1:8080//evil.example/x"}},
		{"path-with-at", a("path", "/@evil.example"), nil, []string{"http://10.1.0.1:8080/@evil.example"}},
		{"path-up", a("path", "/../../etc/passwd"), nil, []string{"http://10.1.0.1:8080/../../etc/passwd"}},
		{"path-with-lines", a("path", "/a\r\nHost: evil"), nil, []string{"http://10.1.0.1:8080/metrics"}},
		{"port-with-host", a("port", "80@evil.example"), nil, []string{"http://10.1.0.1:8080/metrics"}},
		{"port-is-a-host", a("port", "evil.example:80"), nil, []string{"http://10.1.0.1:8080/metrics"}},
		{"a-host", a("host", "evil.example", "address", "evil.example:80"), nil, []string{"http://10.1.0.1:8080/metrics"}},
		{"other-annotations", a("param_x", "y", "bearer_token_file", "/etc/shadow", "interval", "1ms"), nil, []string{"http://10.1.0.1:8080/metrics"}},
		{"metadata", nil, ip("169.254.169.254"), nil},
		{"metadata-six", a("port", "80"), ip("fd00:ec2::254"), nil},
		{"this-host", nil, ip("127.0.0.1"), nil},
		{"six", nil, ip("fd12::1"), []string{"http://[fd12::1]:8080/metrics"}},
		{"six-with-port", a("port", "9090"), ip("fd12::1"), []string{"http://[fd12::1]:9090/metrics"}},
		{"pending", nil, phase(corev1.PodPending), nil},
		{"succeeded", nil, phase(corev1.PodSucceeded), nil},
		{"failed", nil, phase(corev1.PodFailed), nil},
		{"no-address", nil, ip(""), nil},
		{"no-ports", nil, func(p *corev1.Pod) { p.Spec.Containers[0].Ports = nil }, []string{"http://10.1.0.1/metrics"}},
		{"no-ports-six", nil, func(p *corev1.Pod) { p.Spec.Containers[0].Ports, p.Status.PodIP = nil, "fd12::1" }, []string{"http://[fd12::1]/metrics"}},
		{"many-ports", nil, func(p *corev1.Pod) {
			p.Spec.Containers[0].Ports = append(p.Spec.Containers[0].Ports, corev1.ContainerPort{ContainerPort: 53, Protocol: corev1.ProtocolUDP}, corev1.ContainerPort{ContainerPort: 9, Protocol: corev1.ProtocolTCP})
			p.Spec.InitContainers = []corev1.Container{{Name: "setup"}, {Name: "sidecar", Ports: []corev1.ContainerPort{{ContainerPort: 15090, Protocol: corev1.ProtocolTCP}}}}
		}, []string{"http://10.1.0.1:15090/metrics", "http://10.1.0.1:8080/metrics", "http://10.1.0.1:9/metrics"}},
		{"many-ports-one-named", a("port", "9"), func(p *corev1.Pod) {
			p.Spec.Containers[0].Ports = append(p.Spec.Containers[0].Ports, corev1.ContainerPort{ContainerPort: 53, Protocol: corev1.ProtocolUDP})
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "second"})
		}, []string{"http://10.1.0.1:9/metrics"}},
	}
	var pods []*corev1.Pod
	for _, c := range cases {
		pods = append(pods, annotatedPod(c.name, c.annotations, c.change))
	}
	nowhere := func(context.Context, string, string) (net.Conn, error) { return nil, fmt.Errorf("no network") }
	r := annotated(t, newUps(), nil, nowhere, pods...)
	found := func() map[string][]string {
		out := map[string][]string{}
		j := r.jobs[presets.AnnotationsJob]
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, l := range j.loops {
			pod := l.target.public.Get("pod")
			out[pod] = append(out[pod], l.target.url)
			if l.target.public.Get("namespace") != "shop" || l.target.public.Get("node") != "n1" || l.target.public.Get("job") != presets.AnnotationsJob || l.target.public.Len() != 5 {
				t.Errorf("labels %s", l.target.public)
			}
			if l.target.interval != 50*time.Millisecond {
				t.Errorf("%s: interval %s", pod, l.target.interval)
			}
		}
		return out
	}
	for end := time.Now().Add(20 * time.Second); len(found()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no targets")
		}
	}
	got := found()
	for _, c := range cases {
		urls := got[c.name]
		slices.Sort(urls)
		if !slices.Equal(urls, c.want) {
			t.Errorf("%s: %v, want %v", c.name, urls, c.want)
		}
	}
	if _, _, invalid := r.jobs[presets.AnnotationsJob].census(); invalid != 3 {
		t.Errorf("%d refused targets are counted as invalid, want 3", invalid)
	}
}

// TestAnnotatedTargetsGetNothingOfOurs: no credentials, no redirect to another host, and labels that they expose are not those that say
// who they are.
func TestAnnotatedTargetsGetNothingOfOurs(t *testing.T) {
	var mu sync.Mutex
	var seen []*http.Request
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { mu.Lock(); elsewhere++; mu.Unlock() }))
	defer other.Close()
	serve := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r)
		mu.Unlock()
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL+"/latest/meta-data", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", textType)
		_, _ = fmt.Fprintln(w, `up{instance="10.9.9.9:1",job="other",namespace="kube-system"} 7`)
	}))
	defer serve.Close()
	u := newUps()
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "10.1.0.") {
			address = serve.Listener.Addr().String()
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	annotated(t, u, nil, dial,
		annotatedPod("good", nil, nil),
		annotatedPod("away", map[string]string{"path": "/away"}, func(p *corev1.Pod) { p.Status.PodIP = "10.1.0.2" }))
	for end := time.Now().Add(20 * time.Second); u.count("10.1.0.1:8080 1") < 2 || u.count("10.1.0.2:8080 0") < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%v", u.seen)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if elsewhere > 0 {
		t.Errorf("%d redirects were followed", elsewhere)
	}
	for _, r := range seen {
		for key := range r.Header {
			if !slices.Contains([]string{"Accept", "Accept-Encoding", "User-Agent", "X-Prometheus-Scrape-Timeout-Seconds"}, key) {
				t.Errorf("header %s: %s", key, r.Header.Get(key))
			}
		}
	}
	if u.count("10.9.9.9:1 7") > 0 {
		t.Error("a target says that it is another")
	}
}

// TestAnnotationsOfTheOwnNode: an agent scrapes and asks for its own node's pods only.
func TestAnnotationsOfTheOwnNode(t *testing.T) {
	t.Setenv(kubesd.NodeVariable, "n2")
	nowhere := func(context.Context, string, string) (net.Conn, error) { return nil, fmt.Errorf("no network") }
	u := newUps()
	annotated(t, u, func(c *Config) { c.Annotations.OwnNode = true }, nowhere,
		annotatedPod("mine", nil, func(p *corev1.Pod) { p.Spec.NodeName, p.Status.PodIP = "n2", "10.1.0.2" }), annotatedPod("other", nil, nil))
	for end := time.Now().Add(20 * time.Second); u.count("10.1.0.2:8080 0") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%v", u.seen)
		}
	}
	if n := u.count("10.1.0.1:8080 0"); n > 0 {
		t.Error("a pod of another node is scraped")
	}
}
