package kubesd

import (
	"context"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"go.yaml.in/yaml/v2"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/kubetest"
)

// gather runs a discoverer and prints the newest group of each source.
func gather(ctx context.Context, t *testing.T, d discovery.Discoverer) func() string {
	t.Helper()
	groups := gatherGroups(ctx, t, d)
	return func() string {
		var lines []string
		for _, g := range groups() {
			for _, target := range g.Targets {
				lines = append(lines, fmt.Sprintf("%s %v %v", g.Source, target, g.Labels))
			}
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
}

// gatherGroups runs a discoverer and keeps the newest group of each source, by source.
func gatherGroups(ctx context.Context, t *testing.T, d discovery.Discoverer) func() map[string]*targetgroup.Group {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
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
	return func() map[string]*targetgroup.Group {
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
			return groups
		}
	}
}

// parse reads an entry as Prometheus' loader does, into theirs or ours.
func parse[C any](t *testing.T, text string) *C {
	t.Helper()
	c := new(C)
	if err := yaml.UnmarshalStrict([]byte(text), c); err != nil {
		t.Fatal(err)
	}
	return c
}

// jobs are entries of each role, with each key and some together.
func jobs(some *corev1.Pod) (texts []string) {
	all := "attach_metadata: {node: true, namespace: true, deployment: true, job: true, cronjob: true}"
	for role, with := range map[string][]string{
		"pod": {
			"attach_metadata: {node: true}", "attach_metadata: {deployment: true}", "attach_metadata: {job: true}", "attach_metadata: {cronjob: true}", all,
			"selectors: [{role: pod, field: 'spec.nodeName=" + some.Spec.NodeName + "'}]",
			"selectors: [{role: pod, label: 'Tier=x', field: 'status.phase=Running'}]",
			"selectors: [{role: pod, label: 'Tier'}, {role: node, label: 'only in (odd-1,odd-3)'}], attach_metadata: {node: true}",
			"namespaces: {names: [" + some.Namespace + ", nowhere]}, " + all,
		},
		"node":    {"selectors: [{role: node, label: only}]", "selectors: [{role: node, field: metadata.name=odd-3}]", all},
		"service": {all, "selectors: [{role: service, label: Tier}]", "namespaces: {names: [odd]}"},
		"endpoints": {
			"attach_metadata: {node: true}", all, "namespaces: {names: [odd, " + some.Namespace + "]}, " + all,
			"selectors: [{role: endpoints, label: Tier}, {role: pod, label: 'app.kubernetes.io/name=full'}, {role: service, label: nothing}]",
		},
		"endpointslice": {
			"attach_metadata: {node: true}", all, "namespaces: {names: [odd]}, " + all,
			"selectors: [{role: endpointslice, label: Tier}, {role: pod, label: 'app.kubernetes.io/name=full'}, {role: service, label: Tier}]",
		},
		"ingress": {all, "selectors: [{role: ingress, field: metadata.name=star}]", "namespaces: {names: [odd]}"},
	} {
		texts = append(texts, "role: "+role, "role: "+role+", attach_metadata: {namespace: true}")
		for _, w := range with {
			texts = append(texts, "role: "+role+", "+w)
		}
	}
	slices.Sort(texts)
	return texts
}

// TestSameTargetsAsPrometheus: for each role, with selectors, namespaces and attached metadata, the targets and their labels are
// those of Prometheus' own discovery on the same cluster. After changes, deletions and a restart of the API server they are those that
// Prometheus has when it is started then.
func TestSameTargetsAsPrometheus(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	cluster := kubetest.Cluster(4, 12, 8)
	s.Put(cluster.All()...)
	s.Put(oddObjects()...)
	path := s.Kubeconfig(t)
	var some *corev1.Pod
	for _, o := range cluster.All() {
		if p, is := o.(*corev1.Pod); is && p.Status.PodIP != "" {
			some = p
		}
	}
	texts := jobs(some)
	if len(texts) < 36 {
		t.Errorf("%d jobs", len(texts))
	}
	var configs []discovery.Configs
	var all []*Config
	for i := range texts {
		texts[i] = "{" + texts[i] + ", kubeconfig_file: " + path + "}"
		c := parse[Config](t, texts[i])
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
	var ours []func() string
	for _, c := range all {
		d, err := c.NewDiscoverer(discovery.DiscovererOptions{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ours = append(ours, gather(t.Context(), t, d))
	}
	same := func(what string) {
		t.Helper()
		var running sync.WaitGroup
		slots := make(chan struct{}, 8) // each of theirs opens watches of its own
		for i := range texts {
			running.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				var mine, theirs string
				for range 4 { // Prometheus does not wait for all that it attaches, and then does not see it come
					ctx, cancel := context.WithCancel(t.Context())
					fresh := theirDiscovery(t, texts[i])
					targets := gather(ctx, t, fresh)
					for end := time.Now().Add(6 * time.Second); time.Now().Before(end); {
						if mine, theirs = ours[i](), targets(); mine == theirs && mine != "" {
							break
						}
					}
					cancel()
					if mine == theirs {
						break
					}
				}
				switch {
				case mine != theirs:
					t.Errorf("%s: %s: %d targets of ours, %d of Prometheus\n%s", what, texts[i], strings.Count(mine, "\n")+1, strings.Count(theirs, "\n")+1, firstDifference(mine, theirs))
				case mine == "":
					t.Errorf("%s: %s: no targets", what, texts[i])
				}
			})
		}
		running.Wait()
	}
	same("at first")
	change(t, s)
	s.Restart(50 * time.Millisecond)
	same("after changes and a restart")
	for _, gone := range []runtime.Object{
		&corev1.Pod{ObjectMeta: at("full")}, &corev1.Service{ObjectMeta: at("dual")}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "odd-1"}},
		&discoveryv1.EndpointSlice{ObjectMeta: at("names")}, &networkingv1.Ingress{ObjectMeta: at("front")}, &appsv1.ReplicaSet{ObjectMeta: at("bare")},
		&batchv1.Job{ObjectMeta: at("run-123")}, some,
	} {
		s.Delete(gone)
	}
	same("after deletions")
}

// change changes an object of each kind, and adds what was missing.
func change(t *testing.T, s *kubetest.Server) {
	t.Helper()
	for _, o := range []runtime.Object{
		&corev1.Pod{ObjectMeta: at("full")}, &corev1.Pod{ObjectMeta: at("bare")}, &corev1.Service{ObjectMeta: at("headless")},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "odd-3"}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "odd"}},
		&networkingv1.Ingress{ObjectMeta: at("star")}, &corev1.Endpoints{ObjectMeta: at("headless")}, &discoveryv1.EndpointSlice{ObjectMeta: at("headless-1")},
	} {
		is := s.Get(o).DeepCopyObject()
		m, err := meta.Accessor(is)
		if err != nil {
			t.Fatal(err)
		}
		m.SetLabels(map[string]string{"Tier": "x", "only": "odd-3", "changed": "yes", discoveryv1.LabelServiceName: "headless"})
		switch is := is.(type) {
		case *corev1.Pod:
			is.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			is.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", ContainerID: "containerd://new"}}
		case *corev1.Endpoints: //nolint:staticcheck // the role's object
			is.Subsets[0].Addresses, is.Subsets[0].NotReadyAddresses = is.Subsets[0].NotReadyAddresses, is.Subsets[0].Addresses
		case *discoveryv1.EndpointSlice:
			is.Endpoints = is.Endpoints[:1]
		}
		s.Put(is)
	}
	there := at("not-there")
	s.Put(
		&appsv1.ReplicaSet{ObjectMeta: ownedBy(there, "Deployment", "found")}, &appsv1.ReplicaSet{ObjectMeta: ownedBy(at("bare"), "Deployment", "dressed")},
		&batchv1.Job{ObjectMeta: ownedBy(at("alone"), "CronJob", "together")},
		&corev1.Pod{ObjectMeta: at("not-there"), Status: corev1.PodStatus{PodIP: "10.8.0.4", Phase: corev1.PodRunning}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "nowhere", Labels: map[string]string{"late": "yes"}}},
		&corev1.Service{ObjectMeta: at("no-service")}, &corev1.Service{ObjectMeta: at("no-such-service")},
	)
}

// theirDiscovery is Prometheus', with clients and watches of its own.
func theirDiscovery(t *testing.T, text string) discovery.Discoverer {
	t.Helper()
	c := parse[kubernetes.SDConfig](t, text)
	d, err := kubernetes.New(slog.New(slog.DiscardHandler), c.NewDiscovererMetrics(prometheus.NewRegistry(), nil), c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSharedWatches: jobs with equal selectors share their watches.
func TestSharedWatches(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(kubetest.Cluster(2, 3, 2).All()...)
	path := s.Kubeconfig(t)
	all := "attach_metadata: {node: true, namespace: true, deployment: true, job: true, cronjob: true}"
	var configs []discovery.Configs
	for _, role := range []string{"pod", "pod, " + all, "endpoints", "endpoints, " + all, "endpointslice, " + all, "service", "service, " + all, "node", "ingress"} {
		configs = append(configs, discovery.Configs{parse[Config](t, "{role: "+role+", kubeconfig_file: "+path+"}")})
	}
	r, err := Reserve(configs, kube.Feature{Name: "kubernetes_sd_configs", Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = r.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want := 9 // pods, nodes, services, endpoints, endpointslices, ingresses, namespaces, replicasets, jobs
	eventually(t, func() error {
		if n := len(s.OpenWatches()); n != want {
			return fmt.Errorf("%d watches for %d jobs, want %d", n, len(configs), want)
		}
		return nil
	})
}

// TestOnlyWhatChanged: a change rebuilds the groups that the object is in, and a change that no target shows rebuilds none.
func TestOnlyWhatChanged(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	s.Put(kubetest.Cluster(3, 10, 6).All()...)
	s.Put(oddObjects()...)
	c := parse[Config](t, "{role: endpointslice, attach_metadata: {node: true}, kubeconfig_file: "+s.Kubeconfig(t)+"}")
	r, err := Reserve([]discovery.Configs{{c}}, kube.Feature{Name: "kubernetes_sd_configs", Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = r.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	d, err := c.NewDiscoverer(discovery.DiscovererOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan []*targetgroup.Group)
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx, out) })
	defer running.Wait()
	defer cancel()
	rebuilt := func() (sources []string) { // until nothing comes
		for {
			select {
			case groups := <-out:
				for _, g := range groups {
					sources = append(sources, g.Source)
				}
			case <-time.After(300 * time.Millisecond):
				slices.Sort(sources)
				return sources
			}
		}
	}
	first := rebuilt()
	for len(first) == 0 {
		first = rebuilt()
	}
	if len(slices.Compact(slices.Clone(first))) != len(first) {
		t.Errorf("a group was built twice: %v", first)
	}
	expect := func(what string, want ...string) {
		t.Helper()
		if got := rebuilt(); !slices.Equal(got, want) {
			t.Errorf("%s: rebuilt %v, want %v", what, got, want)
		}
	}
	pod := s.Get(&corev1.Pod{ObjectMeta: at("full")}).DeepCopyObject().(*corev1.Pod)
	pod.Labels["new"] = "label"
	s.Put(pod)
	expect("a label of a pod", "endpointslice/odd/headless-1", "endpointslice/odd/headless-2")
	pod = pod.DeepCopy()
	pod.Status.ContainerStatuses[0].RestartCount++
	pod.Status.Conditions[1].LastProbeTime = metav1.Now()
	s.Put(pod)
	expect("a restart of a container")
	node := s.Get(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "odd-2"}}).DeepCopyObject().(*corev1.Node)
	node.Status.Conditions[0].Status = corev1.ConditionFalse
	s.Put(node)
	expect("a condition of a node")
	node = node.DeepCopy()
	node.Labels["new"] = "label"
	s.Put(node)
	expect("a label of a node", "endpointslice/odd/headless-1")
	s.Delete(&corev1.Service{ObjectMeta: at("dual")})
	expect("a service that goes", "endpointslice/odd/dual-4", "endpointslice/odd/dual-6")
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
		c := parse[Config](t, "{role: "+role+", attach_metadata: {namespace: true}, kubeconfig_file: "+path+"}")
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
		c := parse[Config](t, "{role: pod, own_node: true, kubeconfig_file: "+path+"}")
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
	targets := gather(t.Context(), t, d)
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
	if _, err := Reserve([]discovery.Configs{{parse[Config](t, "{role: node}")}}, kube.Feature{Name: "kubernetes_sd_configs", Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		goruntime.GC()
		if n := entries(); n > before {
			return fmt.Errorf("%d reservations, %d before", n, before)
		}
		return nil
	})
}

func entries() (n int) {
	reserved.Range(func(any, any) bool { n++; return true })
	return n
}
