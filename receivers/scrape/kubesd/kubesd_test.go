package kubesd

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"go.yaml.in/yaml/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/kubetest"
)

// gather runs a discoverer and keeps the newest group of each source.
func gather(t *testing.T, d discovery.Discoverer) func() string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan []*targetgroup.Group)
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx, out) }()
	t.Cleanup(func() {
		cancel()
		for {
			select {
			case <-out:
			case <-ended:
				return
			}
		}
	})
	groups := map[string]*targetgroup.Group{}
	return func() string {
		for {
			select {
			case all := <-out:
				for _, g := range all {
					if g != nil {
						groups[g.Source] = g
					}
				}
				continue
			case <-time.After(20 * time.Millisecond):
			}
			var lines []string
			for _, g := range groups {
				for _, target := range g.Targets {
					lines = append(lines, fmt.Sprintf("%s %v %v", g.Source, target, g.Labels))
				}
			}
			slices.Sort(lines)
			return strings.Join(lines, "\n")
		}
	}
}

func parse(t *testing.T, text string) *kubernetes.SDConfig {
	t.Helper()
	c := &kubernetes.SDConfig{}
	if err := yaml.UnmarshalStrict([]byte(text), c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSameTargetsAsPrometheus: for each role, with selectors, namespaces and attached metadata, the targets and their labels are
// those of Prometheus' own discovery on the same cluster, also after changes and a restart of the API server.
func TestSameTargetsAsPrometheus(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	cluster := kubetest.Cluster(4, 12, 8)
	s.Put(cluster.All()...)
	path := s.Kubeconfig(t)
	prefix := networkingv1.PathTypePrefix
	s.Put(&networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "front", Labels: map[string]string{"a": "b"}},
		Spec: networkingv1.IngressSpec{TLS: []networkingv1.IngressTLS{{Hosts: []string{"shop.example"}}}, Rules: []networkingv1.IngressRule{{
			Host:             "shop.example",
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/cart", PathType: &prefix}}}},
		}}},
	})
	var some *corev1.Pod
	for _, o := range cluster.All() {
		if p, is := o.(*corev1.Pod); is && p.Status.PodIP != "" {
			some = p
		}
	}
	attach := ", attach_metadata: {node: true, namespace: true, deployment: true, job: true, cronjob: true}"
	texts := []string{
		"role: pod", "role: pod" + attach, "role: node", "role: service", "role: service, attach_metadata: {namespace: true}",
		"role: endpoints", "role: endpoints" + attach, "role: endpointslice", "role: endpointslice" + attach, "role: ingress",
		"role: pod, namespaces: {names: [" + some.Namespace + ", nowhere]}",
		"role: pod, selectors: [{role: pod, field: \"spec.nodeName=" + some.Spec.NodeName + "\"}]",
	}
	type pair struct {
		text         string
		ours, theirs func() string
	}
	var pairs []pair
	var configs []discovery.Configs
	var all []*Config
	for _, text := range texts {
		c := &Config{SDConfig: parse(t, "{"+text+", kubeconfig_file: "+path+"}")}
		configs, all = append(configs, discovery.Configs{c}), append(all, c)
	}
	r, err := Reserve(configs, kube.Feature{Name: "kubernetes_sd_configs", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	for i, c := range all {
		ours, err := c.NewDiscoverer(discovery.DiscovererOptions{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, pair{text: texts[i], ours: gather(t, ours)})
	}
	eventually(t, func() error {
		if n := len(s.OpenWatches()); n > 16 {
			return fmt.Errorf("%d watches for %d jobs", n, len(texts))
		}
		return nil
	})
	for i, c := range all {
		m := c.SDConfig.NewDiscovererMetrics(prometheus.NewRegistry(), nil)
		theirs, err := kubernetes.New(slog.New(slog.DiscardHandler), m, c.SDConfig)
		if err != nil {
			t.Fatal(err)
		}
		pairs[i].theirs = gather(t, theirs)
	}
	same := func(what, role string) {
		t.Helper()
		for _, p := range pairs {
			if !strings.HasPrefix(p.text, role) {
				continue
			}
			var ours, theirs string
			for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
				if ours, theirs = p.ours(), p.theirs(); ours == theirs && ours != "" {
					break
				}
			}
			if ours != theirs {
				t.Errorf("%s: %s: %d targets of ours, %d of Prometheus\n%s", what, p.text, strings.Count(ours, "\n")+1, strings.Count(theirs, "\n")+1, firstDifference(ours, theirs))
			} else if ours == "" {
				t.Errorf("%s: %s: no targets", what, p.text)
			}
		}
	}
	same("at first", "")
	changed := some.DeepCopy()
	changed.Labels["changed"] = "yes"
	s.Put(changed)
	s.Restart(50 * time.Millisecond)
	same("after a change and a restart", "")
	// The builders of endpoints may miss that a pod went, until its endpoints change, which nobody does here.
	s.Delete(changed)
	same("after a deletion", "role: pod")
}

func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return "ours:   " + as[i] + "\ntheirs: " + bs[i]
		}
	}
	return "one has more"
}

func eventually(t *testing.T, ok func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// TestStoppedBeforeItRan: the receiver may stop between the start of discovery and its first step.
func TestStoppedBeforeItRan(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	path := s.Kubeconfig(t)
	for _, role := range []string{"pod", "node", "service", "endpoints", "endpointslice", "ingress"} {
		c := &Config{SDConfig: parse(t, "{role: "+role+", attach_metadata: {namespace: true}, kubeconfig_file: "+path+"}")}
		r, err := Reserve([]discovery.Configs{{c}}, kube.Feature{Name: "kubernetes_sd_configs", Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			err = r.Start(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		d, err := c.NewDiscoverer(discovery.DiscovererOptions{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		d.Run(t.Context(), nil) // it returns
	}
}

// TestOwnNode: a job of an agent asks for the node's pods only, and without the name of the node it does not start.
func TestOwnNode(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(kubetest.Cluster(3, 5, 2).All()...)
	path := s.Kubeconfig(t)
	run := func() (*Reservation, *Config, error) {
		c := &Config{SDConfig: parse(t, "{role: pod, kubeconfig_file: "+path+"}"), OwnNode: true}
		r, err := Reserve([]discovery.Configs{{c}}, kube.Feature{Name: "kubernetes_sd_configs", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return r, c, r.Start(t.Context())
	}
	t.Setenv(NodeVariable, "")
	r, _, err := run()
	r.Close()
	if err == nil || !strings.Contains(err.Error(), NodeVariable) {
		t.Errorf("without the variable: %v", err)
	}
	nodes := map[string]bool{}
	for _, o := range kubetest.Cluster(3, 5, 2).All() {
		if p, is := o.(*corev1.Pod); is {
			nodes[p.Spec.NodeName] = true
		}
	}
	node := ""
	for n := range nodes {
		node = n
	}
	t.Setenv(NodeVariable, node)
	r, c, err := run()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d, err := c.NewDiscoverer(discovery.DiscovererOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	targets := gather(t, d)
	eventually(t, func() error {
		got := targets()
		if got == "" {
			return fmt.Errorf("no targets")
		}
		for _, line := range strings.Split(got, "\n") {
			if !strings.Contains(line, `__meta_kubernetes_pod_node_name="`+node+`"`) {
				t.Fatalf("a target of another node: %s", line)
			}
		}
		return nil
	})
	for _, q := range s.Requests() {
		if text := fmt.Sprintf("%+v", q); strings.Contains(text, "pods") && !strings.Contains(text, node) {
			t.Errorf("a request for pods of all nodes: %s", text)
		}
	}
	// What is checked and never started is forgotten.
	before := entries()
	if _, err := Reserve([]discovery.Configs{{&Config{SDConfig: parse(t, "{role: node}")}}}, kube.Feature{Name: "kubernetes_sd_configs", Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		runtime.GC()
		if n := entries(); n > before {
			return fmt.Errorf("%d reservations, %d before", n, before)
		}
		return nil
	})
	bad := &Config{SDConfig: parse(t, "{role: endpoints}"), OwnNode: true}
	if err := bad.Check(); err == nil {
		t.Error("own_node with the role endpoints is accepted")
	}
}

func entries() (n int) {
	reserved.Range(func(any, any) bool { n++; return true })
	return n
}
