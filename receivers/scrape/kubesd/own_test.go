package kubesd

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/kubetest"
)

// found runs entries in one process and returns the targets of each, with the labels of their groups.
func found(ctx context.Context, t *testing.T, texts ...string) []func() []model.LabelSet {
	t.Helper()
	var configs []discovery.Configs
	for _, text := range texts {
		configs = append(configs, discovery.Configs{parse[Config](t, text)})
	}
	r, err := Reserve(configs, kube.Feature{Name: "kubernetes_sd_configs", Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = r.Start(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	var out []func() []model.LabelSet
	for _, c := range configs {
		d, err := c[0].NewDiscoverer(discovery.DiscovererOptions{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		groups := gatherGroups(ctx, t, d)
		out = append(out, func() (targets []model.LabelSet) {
			for _, g := range groups() {
				for _, target := range g.Targets {
					targets = append(targets, g.Labels.Merge(target))
				}
			}
			return targets
		})
	}
	return out
}

func lines(targets []model.LabelSet) string {
	var out []string
	for _, l := range targets {
		out = append(out, l.String())
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// TestOwnServices: what an agent makes of Services and its own pods is what the endpoints of its node are in a discovery that watches
// them, but for the labels that only they have.
func TestOwnServices(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	cluster := kubetest.Cluster(4, 12, 8)
	s.Put(cluster.All()...)
	path := s.Kubeconfig(t)
	node := cluster.Pods[0].Spec.NodeName
	t.Setenv(NodeVariable, node)
	attach := "attach_metadata: {node: true, namespace: true, deployment: true, job: true, cronjob: true}, kubeconfig_file: " + path + "}"
	all := found(t.Context(), t, "{role: endpoints, "+attach, "{role: endpointslice, "+attach)
	s = kubetest.New(t, kubetest.Options{}) // another with the same objects, to see what it is asked
	s.Put(kubetest.Cluster(4, 12, 8).All()...)
	path = s.Kubeconfig(t)
	attach = "attach_metadata: {node: true, namespace: true, deployment: true, job: true, cronjob: true}, own_node: true, kubeconfig_file: " + path + "}"
	own := found(t.Context(), t, "{role: endpoints, "+attach, "{role: endpointslice, "+attach, "{role: service, "+attach)
	unknown := []string{prefix + "endpoints_annotation", prefix + "endpointslice_annotation", prefix + "endpointslice_name", prefix + "endpointslice_label", prefix + "endpointslice_endpoint_zone"}
	// Of a port that no address names Prometheus gives a target without the node's labels too.
	known := func(targets []model.LabelSet) (out []model.LabelSet) {
		for _, l := range targets {
			if string(l[podNodeNameLabel]) != node {
				continue
			}
			maps.DeleteFunc(l, func(name model.LabelName, _ model.LabelValue) bool {
				return slices.ContainsFunc(unknown, func(p string) bool { return strings.HasPrefix(string(name), p) })
			})
			out = append(out, l)
		}
		return out
	}
	same := func(what string) {
		t.Helper()
		for i, role := range []string{"endpoints", "endpointslice"} {
			eventually(t, func() error {
				want, got := lines(known(all[i]())), lines(known(own[i]()))
				if want != got || want == "" {
					return fmt.Errorf("%s, %s: %s", what, role, firstDifference(got, want))
				}
				return nil
			})
		}
	}
	same("at first")
	eventually(t, func() error {
		n := 0
		for _, l := range own[2]() {
			if l[servicePortNumberLabel] != "" && l[serviceClusterIPLabel] != "" && l[podIPLabel] != "" && strings.HasPrefix(string(l[model.AddressLabel]), string(l[podIPLabel])) {
				n++
			}
		}
		if n == 0 {
			return fmt.Errorf("role service: no targets among %d", len(own[2]()))
		}
		return nil
	})
	for _, q := range s.Requests() {
		switch text := fmt.Sprintf("%+v", q); q.Resource {
		case "services":
		case "pods", "nodes":
			if !strings.Contains(text, node) {
				t.Errorf("not of the own node: %s", text)
			}
		case "namespaces":
			if q.Verb != "get" {
				t.Errorf("namespaces are watched: %s", text)
			}
		default:
			t.Errorf("asked for %s", text)
		}
	}
}

// TestOwnServiceRules: one rule of the endpoint controllers each, over changes.
func TestOwnServiceRules(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	t.Setenv(NodeVariable, "n1")
	always := corev1.ContainerRestartPolicyAlways
	pod := func(name, ip string, change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name, Labels: map[string]string{"app": "x"}}, Spec: corev1.PodSpec{NodeName: "n1",
			Containers:     []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}}},
			InitContainers: []corev1.Container{{Name: "i", RestartPolicy: &always, Ports: []corev1.ContainerPort{{Name: "side", ContainerPort: 9090, Protocol: corev1.ProtocolTCP}}}, {Name: "gone", Ports: []corev1.ContainerPort{{Name: "init", ContainerPort: 1, Protocol: corev1.ProtocolTCP}}}}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}
		if change != nil {
			change(p)
		}
		return p
	}
	ports := []corev1.ServicePort{{Name: "named", Port: 80, TargetPort: intstr.FromString("web"), Protocol: corev1.ProtocolTCP}, {Name: "number", Port: 81, TargetPort: intstr.FromInt32(7000), Protocol: corev1.ProtocolTCP},
		{Name: "same", Port: 82, Protocol: corev1.ProtocolTCP}, {Name: "sidecar", Port: 83, TargetPort: intstr.FromString("side"), Protocol: corev1.ProtocolTCP},
		{Name: "init", Port: 84, TargetPort: intstr.FromString("init"), Protocol: corev1.ProtocolTCP}, {Name: "udp", Port: 85, TargetPort: intstr.FromString("web"), Protocol: corev1.ProtocolUDP}}
	service := func(name string, change func(*corev1.ServiceSpec)) *corev1.Service {
		v := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "x"}, Ports: ports[:1]}}
		if change != nil {
			change(&v.Spec)
		}
		return v
	}
	s.Put(
		pod("ok", "10.0.0.1", nil),
		pod("hosted", "10.0.0.2", func(p *corev1.Pod) { p.Spec.Hostname, p.Spec.Subdomain = "h", "web" }),
		pod("unready", "10.0.0.3", func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }),
		pod("ended", "10.0.0.4", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
		pod("starting", "", nil),
		pod("other", "10.0.0.5", func(p *corev1.Pod) { p.Labels["app"] = "y" }),
		pod("elsewhere", "10.0.0.6", func(p *corev1.Pod) { p.Spec.NodeName = "n2" }),
		pod("abroad", "10.0.0.7", func(p *corev1.Pod) { p.Namespace = "b" }),
		pod("dual", "10.0.0.8", func(p *corev1.Pod) { p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: "fd00::8"}) }),
		service("web", func(s *corev1.ServiceSpec) { s.Ports = ports }),
		service("early", func(s *corev1.ServiceSpec) { s.PublishNotReadyAddresses = true }),
		service("six", func(s *corev1.ServiceSpec) {
			s.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}
		}),
		service("manual", func(s *corev1.ServiceSpec) { s.Selector = nil }),
		service("outside", func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeExternalName }),
	)
	own := found(t.Context(), t, "{role: endpoints, own_node: true, kubeconfig_file: "+s.Kubeconfig(t)+"}")[0]
	expect := func(what string, want ...string) {
		t.Helper()
		slices.Sort(want)
		eventually(t, func() error {
			var got []string
			for _, l := range own() {
				line := fmt.Sprintf("%s %s %s", l[prefix+"service_name"], l[model.AddressLabel], l[endpointReadyLabel])
				if l[endpointReadyLabel] == "" {
					continue // a port that the service does not name
				}
				if h := l[endpointHostnameLabel]; h != "" {
					line += " " + string(h)
				}
				got = append(got, line)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				return fmt.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			return nil
		})
	}
	web := func(ip, ready, more string) []string {
		return []string{"web " + ip + ":8080 " + ready + more, "web " + ip + ":7000 " + ready + more, "web " + ip + ":82 " + ready + more, "web " + ip + ":9090 " + ready + more}
	}
	early := []string{"early 10.0.0.1:8080 true", "early 10.0.0.2:8080 true", "early 10.0.0.3:8080 true", "early 10.0.0.8:8080 true", "six [fd00::8]:8080 true"}
	want := slices.Concat(web("10.0.0.1", "true", ""), web("10.0.0.2", "true", " h"), web("10.0.0.3", "false", ""), web("10.0.0.8", "true", ""), early)
	expect("at first", want...)
	s.Put(pod("unready", "10.0.0.3", nil))
	want = slices.Concat(web("10.0.0.1", "true", ""), web("10.0.0.2", "true", " h"), web("10.0.0.3", "true", ""), web("10.0.0.8", "true", ""), early)
	expect("ready now", want...)
	s.Put(pod("ok", "10.0.0.1", func(p *corev1.Pod) { p.Labels["app"] = "y" }))
	want = slices.Concat(web("10.0.0.2", "true", " h"), web("10.0.0.3", "true", ""), web("10.0.0.8", "true", ""), early[1:])
	expect("a label that is not chosen any more", want...)
	s.Delete(pod("hosted", "", nil))
	want = slices.Concat(web("10.0.0.3", "true", ""), web("10.0.0.8", "true", ""), early[2:])
	expect("a deletion", want...)
	s.Put(service("web", func(s *corev1.ServiceSpec) { s.Ports, s.Selector = ports[1:2], map[string]string{"app": "y"} }))
	expect("another selector", slices.Concat([]string{"web 10.0.0.1:7000 true", "web 10.0.0.5:7000 true"}, early[2:])...)
	s.Delete(service("web", nil))
	s.Delete(service("early", nil))
	expect("services that go", early[4])
}

// TestOwnNodeWithoutRights: where namespaces may not be read, or are not there, targets come without their labels, and those of others
// with theirs.
func TestOwnNodeWithoutRights(t *testing.T) {
	for what, rules := range map[string][]rbacv1.PolicyRule{
		"no right":     {{Verbs: []string{"get", "list", "watch"}, APIGroups: []string{""}, Resources: []string{"pods", "services"}}},
		"no namespace": nil,
	} {
		s := kubetest.New(t, kubetest.Options{})
		t.Setenv(NodeVariable, "n1")
		pod := func(namespace, name string) *corev1.Pod {
			return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "c"}}},
				Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1"}}
		}
		s.Put(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "known", Labels: map[string]string{"team": "a"}}}, pod("known", "a"))
		if rules != nil {
			s.Authorize(rules)
		}
		own := found(t.Context(), t, "{role: pod, own_node: true, attach_metadata: {namespace: true}, kubeconfig_file: "+s.Kubeconfig(t)+"}")[0]
		expect := func(want string) {
			t.Helper()
			eventually(t, func() error {
				var got []string
				for _, l := range own() {
					got = append(got, fmt.Sprintf("%s=%s", l[prefix+"pod_name"], l[prefix+"namespace_label_team"]))
				}
				slices.Sort(got)
				if strings.Join(got, " ") != want {
					return fmt.Errorf("%s: %v, want %s", what, got, want)
				}
				return nil
			})
		}
		team := "a"
		if rules != nil {
			team = ""
		}
		expect("a=" + team)
		s.Put(pod("unknown", "b"))
		expect("a=" + team + " b=")
	}
}
