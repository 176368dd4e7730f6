package scrape

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/receivers/scrape/kubesd"
	"github.com/sluiceio/sluice/receivers/scrape/presets"
	"github.com/sluiceio/sluice/wire/prom"
)

// seriesSeen keeps the labels of each series that it is given, and the values of up by path.
type seriesSeen struct {
	mu     sync.Mutex
	tr     *prom.Translator
	series map[string]bool
	up     map[string]float64
}

func (s *seriesSeen) Consume(_ context.Context, b pipeline.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.tr.Walk(b.Request, prom.SinkFunc(func(p *prom.Sample) error {
		var l strings.Builder
		for _, of := range []string{"__name__", "job", "metrics_path", "node", "instance", "namespace", "pod", "container", "id"} {
			if v := p.Labels.Get(of); len(v) > 0 {
				l.WriteString(of + "=" + string(v) + " ")
			}
		}
		s.series[l.String()] = true
		if string(p.Labels.Get("__name__")) == "up" {
			s.up[string(p.Labels.Get("metrics_path"))] = p.Value
		}
		return nil
	}))
	return err
}

// has reports whether there is a series with all of these parts.
func (s *seriesSeen) has(parts ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
next:
	for l := range s.series {
		for _, p := range parts {
			if !strings.Contains(" "+l, " "+p+" ") {
				continue next
			}
		}
		return true
	}
	return false
}

func (s *seriesSeen) ups(value float64) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.up {
		if v == value {
			n++
		}
	}
	return n
}

// node is a cluster with a kubelet that asks it who its callers are.
type node struct {
	server  *kubetest.Server
	kubelet *kubetest.Kubelet
	name    string
	config  presets.Kubelet
}

func newNode(t *testing.T) *node {
	t.Helper()
	s := kubetest.New(t, kubetest.Options{Token: "secret", TLS: true})
	cluster := kubetest.Cluster(2, 6, 2)
	s.Put(cluster.All()...)
	name := cluster.Pods[0].Spec.NodeName
	k := kubetest.NewKubelet(t, s, name)
	s.Authorize([]rbacv1.PolicyRule{
		{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"nodes/metrics"}},
		{Verbs: []string{"get", "list", "watch"}, APIGroups: []string{""}, Resources: []string{"nodes"}},
	})
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := presets.DefaultKubelet()
	c.Enabled, c.ScrapeInterval, c.KubeconfigFile = true, 100*time.Millisecond, s.Kubeconfig(t)
	c.TokenFile, c.CAFile = write("token", "secret"), write("ca.crt", string(k.CA()))
	t.Setenv(kubesd.NodeVariable, name)
	t.Setenv(presets.AddressVariable, "")
	return &node{s, k, name, c}
}

func (n *node) scrape(t *testing.T, change func(*presets.Kubelet)) *seriesSeen {
	t.Helper()
	cfg := Default()
	cfg.DiscoveryReloadOnStartup = true
	cfg.Kubelet = n.config
	if change != nil {
		change(&cfg.Kubelet)
	}
	settings, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
	seen := &seriesSeen{tr: prom.New(prom.DefaultConfig()), series: map[string]bool{}, up: map[string]float64{}}
	r, err := New(settings, cfg, pipeline.OutputsTo(seen, pipeline.Metrics))
	if err == nil {
		err = r.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Stop(context.Background()) })
	return seen
}

func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !true(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not yet: %s", what)
		}
	}
}

// TestKubelet: the three paths of the own node's kubelet with the labels of kube-prometheus, found by the Node object or by the
// environment, without the series that nobody uses; and with no other right than nodes/metrics.
func TestKubelet(t *testing.T) {
	n := newNode(t)
	host, port, _ := strings.Cut(n.kubelet.Address(), ":")
	for _, address := range []string{"", host} {
		t.Setenv(presets.AddressVariable, address)
		n.server.ForgetRequests()
		seen := n.scrape(t, func(k *presets.Kubelet) { k.Port, _ = strconv.Atoi(port) })
		until(t, "all are up", func() bool { return seen.ups(1) == 3 })
		who := []string{"job=kubelet", "node=" + n.name, "instance=" + n.kubelet.Address()}
		for path, name := range map[string]string{
			"/metrics": "kubelet_running_pods", "/metrics/cadvisor": "container_cpu_usage_seconds_total", "/metrics/resource": "node_cpu_usage_seconds_total",
		} {
			if !seen.has(append(who, "metrics_path="+path, "__name__="+name)...) || !seen.has(append(who, "metrics_path="+path, "__name__=up")...) {
				t.Errorf("%s: no %s with %v", path, name, who)
			}
		}
		if seen.has("__name__=container_tasks_state") || seen.has("__name__=container_spec_cpu_period", "id=/") || !seen.has("__name__=container_memory_working_set_bytes", "id=/") {
			t.Error("the rules of kube-prometheus do not hold")
		}
		asked := 0
		for _, q := range n.server.Requests() {
			if q.Resource == "nodes" {
				asked++
			}
		}
		if (asked == 0) != (address != "") {
			t.Errorf("address %q: the Node is asked for %d times", address, asked)
		}
	}
	t.Setenv(presets.AddressVariable, "")
	all := n.scrape(t, func(k *presets.Kubelet) { k.DropUnused = false })
	until(t, "all series", func() bool { return all.has("__name__=container_spec_cpu_period", "id=/") })
}

// TestKubeletsCertificate: one that nobody vouches for is taken only where the file says so.
func TestKubeletsCertificate(t *testing.T) {
	n := newNode(t)
	strict := n.scrape(t, func(k *presets.Kubelet) { k.CAFile = "" })
	until(t, "an unknown certificate fails", func() bool { return strict.ups(0) == 3 })
	if len(n.kubelet.Requests()) > 0 {
		t.Error("the token went to a kubelet that is not known")
	}
	lax := n.scrape(t, func(k *presets.Kubelet) { k.CAFile, k.InsecureSkipVerify = "", true })
	until(t, "insecure_skip_verify", func() bool { return lax.ups(1) == 3 })
}

// TestKubeletWithoutRights: the kubelet's answer is a failed scrape, and nodes/proxy is not asked for.
func TestKubeletWithoutRights(t *testing.T) {
	n := newNode(t)
	n.server.Authorize([]rbacv1.PolicyRule{{Verbs: []string{"get", "list", "watch"}, APIGroups: []string{""}, Resources: []string{"nodes"}}})
	seen := n.scrape(t, nil)
	until(t, "all are down", func() bool { return seen.ups(0) == 3 })
	for _, q := range n.kubelet.Requests() {
		if q.Code != 403 {
			t.Errorf("%+v", q)
		}
	}
}

// TestKubeletNeedsItsNode: the start says what is missing; a check of the file elsewhere does not.
func TestKubeletNeedsItsNode(t *testing.T) {
	n := newNode(t)
	for _, broken := range []struct {
		change func(*presets.Kubelet)
		node   string
		want   string
	}{
		{nil, "", kubesd.NodeVariable},
		{func(k *presets.Kubelet) { k.TokenFile = "/nowhere/token" }, n.name, "token_file"},
	} {
		t.Setenv(kubesd.NodeVariable, broken.node)
		cfg := Default()
		cfg.Kubelet = n.config
		if broken.change != nil {
			broken.change(&cfg.Kubelet)
		}
		settings, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
		r, err := New(settings, cfg, pipeline.OutputsTo(newUps(), pipeline.Metrics))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err == nil || !strings.Contains(err.Error(), broken.want) {
			t.Errorf("%v, want %s", err, broken.want)
		}
	}
	cfg := Default()
	cfg.Kubelet = n.config
	cfg.Config = map[string]any{"scrape_configs": []any{map[string]any{"job_name": "kubelet"}}}
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), `config::scrape_configs::0::job_name: is also the name of a job of "kubelet"`) {
		t.Errorf("two jobs of one name: %v", err)
	}
}
