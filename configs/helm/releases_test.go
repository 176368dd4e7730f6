package helm

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

const everything = "cluster: {name: x}\npresets: {events: true, cluster: true, annotations: true}\n"

func (r Release) objects(t *testing.T, values string) []runtime.Object {
	t.Helper()
	docs, err := r.Render("sluice", values)
	if err != nil {
		t.Fatalf("%v: %v", r, err)
	}
	return objects(t, docs)
}

// TestReleases: names of any length and form give objects that the API server takes, and no two releases share an object, a pod or a folder of a node.
func TestReleases(t *testing.T) {
	long := strings.Repeat("observability-", 3)
	releases := []struct {
		Release
		values string
	}{
		{Release{"sluice", "sluice"}, ""},
		{Release{"sluice", "other"}, ""},
		{Release{"second", "sluice"}, ""},
		{Release{"b-sluice", "a"}, ""},
		{Release{"sluice", "a-b"}, ""},
		{Release{long + "north-1", "sluice"}, ""},
		{Release{long + "north-2", "sluice"}, ""},
		{Release{"sluice.v2", "sluice"}, ""},
		{Release{"named", "sluice"}, "nameOverride: telemetry\n"},
		{Release{"123", "456"}, "fullnameOverride: numbers\n"},
	}
	taken := map[string]Release{}
	mine := func(r Release, what string) {
		if other, is := taken[what]; is {
			t.Errorf("%v and %v both have %s", r, other, what)
		}
		taken[what] = r
	}
	type of struct {
		Release
		pod corev1.PodTemplateSpec
	}
	var all []of
	selectors := map[Release][]map[string]string{}
	for _, r := range releases {
		for _, o := range r.objects(t, everything+r.values) {
			m := o.(metav1.Object)
			mine(r.Release, o.GetObjectKind().GroupVersionKind().Kind+" "+m.GetNamespace()+"/"+m.GetName())
			for k, v := range m.GetLabels() {
				if wrong := validation.IsValidLabelValue(v); wrong != nil {
					t.Errorf("%v: %s=%s: %v", r, k, v, wrong)
				}
			}
			switch o := o.(type) {
			case *corev1.Service:
				if wrong := validation.IsDNS1035Label(o.Name); wrong != nil {
					t.Errorf("%v: %s: %v", r, o.Name, wrong)
				}
				selectors[r.Release] = append(selectors[r.Release], o.Spec.Selector)
			case *networkingv1.NetworkPolicy:
				selectors[r.Release] = append(selectors[r.Release], o.Spec.PodSelector.MatchLabels)
			case *appsv1.DaemonSet:
				selectors[r.Release] = append(selectors[r.Release], o.Spec.Selector.MatchLabels)
			case *appsv1.StatefulSet:
				selectors[r.Release] = append(selectors[r.Release], o.Spec.Selector.MatchLabels)
				// The controller labels pods with the name and a hash of ten characters.
				if len(o.Name) > 52 {
					t.Errorf("%v: %s is too long for a StatefulSet", r, o.Name)
				}
			}
		}
		for _, p := range pods(r.objects(t, everything+r.values)) {
			all = append(all, of{r.Release, p})
			for _, m := range p.Spec.Containers[0].VolumeMounts {
				for _, v := range p.Spec.Volumes {
					if v.Name == m.Name && v.HostPath != nil && !m.ReadOnly {
						mine(r.Release, "folder "+v.HostPath.Path)
					}
				}
			}
		}
	}
	for r, list := range selectors {
		for _, s := range list {
			found := 0
			for _, p := range all {
				if p.Namespace != r.Namespace || !labels.SelectorFromSet(s).Matches(labels.Set(p.pod.Labels)) {
					continue
				}
				found++
				if p.Release != r {
					t.Errorf("%v of %v selects pods of %v", s, r, p.Release)
				}
			}
			if found != 1 {
				t.Errorf("%v of %v selects %d kinds of pods, want 1", s, r, found)
			}
		}
	}
}

// immutable is what an API server does not let an upgrade change.
func immutable(all []runtime.Object) string {
	var out []any
	for _, o := range all {
		switch o := o.(type) {
		case *appsv1.DaemonSet:
			out = append(out, o.Spec.Selector)
		case *appsv1.StatefulSet:
			out = append(out, o.Spec.Selector, o.Spec.ServiceName, o.Spec.PodManagementPolicy, o.Spec.VolumeClaimTemplates)
		case *appsv1.Deployment:
			out = append(out, o.Spec.Selector)
		}
	}
	b, _ := json.Marshal(out)
	return string(b)
}

// TestUpgrade: changed values change pods where they must, and nothing that cannot be changed.
func TestUpgrade(t *testing.T) {
	base := "cluster: {name: x}\n"
	before := Release{"sluice", "sluice"}.objects(t, base)
	if fixed := immutable(before); strings.Contains(fixed, "helm.sh/chart") || strings.Contains(fixed, "version") {
		t.Errorf("the next version of the chart could not be installed: %s", fixed)
	}
	sum := func(all []runtime.Object, component string) string {
		return pods(all)[component].Annotations["checksum/config"]
	}
	for values, restarts := range map[string]string{ // the components whose configuration is another
		"image: {tag: v9}": "",
		"agent: {podLabels: {a: b}, extraEnv: [{name: A, value: b}], resources: {limits: {memory: 1Gi}}}": "",
		"grafana: {dashboards: false}":                                "",
		"agent: {config: {processors: {batch: {timeout: 2s}}}}":       "agent",
		"collector: {config: {processors: {batch: {timeout: 2s}}}}":   "collector",
		"collector: {store: {retention: 9d}}":                         "collector",
		"destinations: [{name: a, type: otlp, endpoint: 'http://x'}]": "collector",
		"presets: {kubelet: false}":                                   "agent",
		"tls: {enabled: true, secretName: s}":                         "agent collector",
		"cluster: {name: other}":                                      "agent collector",
	} {
		given := base + values + "\n"
		if strings.HasPrefix(values, "cluster") {
			given = values
		}
		after := Release{"sluice", "sluice"}.objects(t, given)
		if immutable(before) != immutable(after) {
			t.Errorf("%s: an upgrade would be refused:\n%s\n%s", values, immutable(before), immutable(after))
		}
		var changed []string
		for _, c := range []string{"agent", "collector"} {
			if sum(before, c) != sum(after, c) {
				changed = append(changed, c)
			}
		}
		if got := strings.Join(changed, " "); got != restarts {
			t.Errorf("%s: the configuration of %q changed, want %q", values, got, restarts)
		}
	}
}

// TestKeysOfTheUser: labels, annotations and selectors that the chart has too are there once (objects is strict), and those that selectors need stay.
func TestKeysOfTheUser(t *testing.T) {
	values := "cluster: {name: x}\n"
	for _, c := range []string{"agent", "collector"} {
		values += c + ": {podLabels: {app.kubernetes.io/component: mine, team: a}, podAnnotations: {checksum/config: mine, a: b}, nodeSelector: {kubernetes.io/os: linux, pool: x}}\n"
	}
	all := pods(objects(t, render(t, values)))
	for _, component := range []string{"agent", "collector"} {
		p := all[component]
		if p.Labels["app.kubernetes.io/component"] != component || p.Labels["team"] != "a" || p.Annotations["checksum/config"] == "mine" || p.Annotations["a"] != "b" {
			t.Errorf("%s: %v, %v", component, p.Labels, p.Annotations)
		}
		if want := map[string]string{"kubernetes.io/os": "linux", "pool": "x"}; !maps.Equal(p.Spec.NodeSelector, want) {
			t.Errorf("%s: %v", component, p.Spec.NodeSelector)
		}
	}
}

// TestImage: registry, repository, tag and digest, each where it is given.
func TestImage(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	for values, want := range map[string]string{
		"{}":                                  "ghcr.io/sluiceio/sluice-agent:0.1.0",
		"{tag: v9}":                           "ghcr.io/sluiceio/sluice-agent:v9",
		"{registry: 'r.example:5000'}":        "r.example:5000/sluiceio/sluice-agent:0.1.0",
		"{registry: '', repository: ''}":      "sluice-agent:0.1.0",
		"{digest: {agent: '" + digest + "'}}": "ghcr.io/sluiceio/sluice-agent@" + digest,
	} {
		p := pods(objects(t, render(t, "cluster: {name: x}\nimage: "+values+"\n")))["agent"]
		if got := p.Spec.Containers[0].Image; got != want {
			t.Errorf("%s: %s, want %s", values, got, want)
		}
	}
}

// TestResources: what the user gives comes over the size, memory always has a limit (the memory limiter counts from it), and no request is above its limit.
func TestResources(t *testing.T) {
	for _, size := range []string{"small", "medium", "large"} {
		for values, want := range map[string]string{
			"{}":                       "",
			"{requests: {cpu: 10m}}":   "",
			"{limits: {memory: 64Mi}}": "64Mi",
			"{limits: {cpu: 10m}}":     "",
			"{requests: {memory: 3Gi}, limits: {memory: 9Gi}}": "9Gi",
		} {
			for component, p := range pods(objects(t, render(t, fmt.Sprintf("cluster: {name: x}\nsize: %s\nagent: {resources: %s}\ncollector: {resources: %s}\n", size, values, values)))) {
				r := p.Spec.Containers[0].Resources
				memory, has := r.Limits[corev1.ResourceMemory]
				if !has || want != "" && memory.String() != want {
					t.Errorf("%s, %s, %s: limit of memory %s, want %s", size, component, values, memory.String(), want)
				}
				for name, q := range r.Requests {
					if limit, is := r.Limits[name]; is && q.Cmp(limit) > 0 {
						t.Errorf("%s, %s, %s: %s: a request of %s above the limit of %s", size, component, values, name, q.String(), limit.String())
					}
				}
			}
		}
	}
}

// TestDisk: all queues together, and the store, have room on the volume.
func TestDisk(t *testing.T) {
	for _, gib := range []int64{1, 20, 3 << 10} {
		volume := fmt.Sprintf("%dGi", gib)
		if gib%1024 == 0 {
			volume = fmt.Sprintf("%dTi", gib/1024)
		}
		for n := range 4 {
			var names []string
			for i := range n {
				names = append(names, fmt.Sprintf("{name: d%d, type: otlp, endpoint: 'http://x'}", i))
			}
			values := fmt.Sprintf("cluster: {name: x}\ncollector: {volume: {size: %s}}\ndestinations: [%s]\n", volume, strings.Join(names, ", "))
			text := config(t, objects(t, render(t, values)), "collector.yaml")
			var sum int64
			for _, m := range regexp.MustCompile(`(?:queue_size|max_disk): (\d+)(MiB)?`).FindAllStringSubmatch(text, -1) {
				var bytes int64
				fmt.Sscan(m[1], &bytes)
				if m[2] != "" {
					bytes <<= 20
				}
				sum += bytes
			}
			if limit := gib << 30; sum < limit/2 || sum > limit*9/10 {
				t.Errorf("%s, %d destinations: %d bytes of %d", volume, n, sum, limit)
			}
		}
	}
}

func config(t *testing.T, all []runtime.Object, file string) string {
	t.Helper()
	for _, o := range all {
		if cm, is := o.(*corev1.ConfigMap); is && cm.Data[file] != "" {
			return cm.Data[file]
		}
	}
	t.Fatal("no ", file)
	return ""
}

// TestNowhereToGo: a signal without a destination brings no right, no mount and no capability.
func TestNowhereToGo(t *testing.T) {
	for kind, want := range map[string][]string{
		"prometheus": {"hosts /proc /sys /", "right nodes/metrics", "right pods"},
		"loki":       {"cap DAC_READ_SEARCH", "hosts /var/lib/docker/containers /var/log/pods", "right pods"},
		"tempo":      {"right pods"},
	} {
		all := objects(t, render(t, "cluster: {name: x}\npresets: {cluster: false, events: "+fmt.Sprint(kind != "loki")+"}\ndestinations: [{name: a, type: "+kind+", endpoint: 'http://x/push'}]\n"))
		var got []string
		for _, p := range pods(all) {
			c := p.Spec.Containers[0]
			for _, capability := range c.SecurityContext.Capabilities.Add {
				got = append(got, "cap "+string(capability))
			}
			var hosts []string
			for _, v := range p.Spec.Volumes {
				if v.HostPath != nil && v.Name != "data" {
					hosts = append(hosts, v.HostPath.Path)
				}
			}
			if hosts != nil {
				if kind == "loki" {
					slices.Sort(hosts)
				}
				got = append(got, "hosts "+strings.Join(hosts, " "))
			}
		}
		for _, right := range rights(all) {
			resources, _, _ := strings.Cut(right, ":")
			got = append(got, "right "+resources)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
		validate(t, "sluice-agent", config(t, all, "agent.yaml"))
		validate(t, "sluice-collector", config(t, all, "collector.yaml"))
	}
}

// TestTokens: a pod has a token of its account where something asks the API server or the kubelet.
func TestTokens(t *testing.T) {
	off := "cluster: {name: x}\npresets: {attributes: false, kubelet: false}\n"
	for values, want := range map[string]map[string]bool{
		"cluster: {name: x}\n": {"agent": true, "collector": false},
		off:                    {"agent": false, "collector": false},
		off + "agent: {extraRules: [{apiGroups: [''], resources: [services], verbs: [list, watch]}]}\n":     {"agent": true, "collector": false},
		off + "collector: {extraRules: [{apiGroups: [''], resources: [services], verbs: [list, watch]}]}\n": {"agent": false, "collector": true},
	} {
		all := objects(t, render(t, values))
		for component, p := range pods(all) {
			if mount := p.Spec.AutomountServiceAccountToken; mount == nil || *mount != want[component] {
				t.Errorf("%s%s: a token: %v", values, component, mount)
			}
		}
		if strings.Contains(values, "extraRules") && !slices.Equal(rights(all), []string{"services: list watch"}) {
			t.Errorf("%s: %q", values, rights(all))
		}
	}
}

// TestWhoReachesTheStore: the namespace's own pods, or the peers of queryFrom.
func TestWhoReachesTheStore(t *testing.T) {
	for values, want := range map[string]int{"": 1, "networkPolicy: {queryFrom: []}\n": 0, "networkPolicy: {queryFrom: [{podSelector: {matchLabels: {app: grafana}}}]}\n": 1} {
		for _, o := range objects(t, render(t, "cluster: {name: x}\n"+values)) {
			p, is := o.(*networkingv1.NetworkPolicy)
			if !is || p.Name != "sluice-collector" {
				continue
			}
			for _, rule := range p.Spec.Ingress {
				if rule.Ports[0].Port.String() == "query" && len(rule.From) != want {
					t.Errorf("%q: %+v", values, rule)
				}
			}
		}
	}
}

// TestDefaultOfGrafana: a data source that wants to be the default keeps a Grafana that has one from loading any.
func TestDefaultOfGrafana(t *testing.T) {
	if text := config(t, objects(t, render(t, "cluster: {name: x}\n")), "sluice.yaml"); strings.Contains(text, "isDefault: true") || !strings.Contains(text, "isDefault: false") {
		t.Error(text)
	}
}

// TestQuota: GKE refuses pods of the system's classes where no quota names the class.
func TestQuota(t *testing.T) {
	for class, want := range map[string]bool{"system-node-critical": true, "mine": false, "": false} {
		got := false
		for _, o := range objects(t, render(t, "cluster: {name: x}\nagent: {priorityClassName: '"+class+"'}\n")) {
			if q, is := o.(*corev1.ResourceQuota); is {
				got = slices.Equal(q.Spec.ScopeSelector.MatchExpressions[0].Values, []string{class})
			}
		}
		if got != want {
			t.Errorf("%q: a quota: %v", class, got)
		}
	}
}

// TestNotes: the notes name only what the release has.
func TestNotes(t *testing.T) {
	destination := "destinations: [{name: backend, type: otlp, endpoint: 'https://user:secret-marker@x'}]\n"
	for values, absent := range map[string][]string{
		"":                          nil,
		destination:                 {"7700", "secret-marker"},
		"agent: {enabled: false}\n": {"sluice-agent", "kubelet"},
		"collector: {enabled: false}\nagent: {config: {exporters: {otlp_http: {endpoint: 'http://x'}}}}\n": {"sluice-collector", "7700"},
	} {
		files, err := Release{"sluice", "sluice"}.files("sluice", "cluster: {name: x}\n"+values)
		if err != nil {
			t.Fatal(err)
		}
		notes := files["sluice/templates/NOTES.txt"]
		if len(notes) < 200 {
			t.Errorf("%q: %s", values, notes)
		}
		for _, word := range absent {
			if strings.Contains(notes, word) {
				t.Errorf("%q: the notes speak of %s:\n%s", values, word, notes)
			}
		}
	}
}

// TestDrain: the command of the documentation, run in a pod, looks where the pod's queue is. `kubectl exec` leaves out the image's entrypoint, which names the folder.
func TestDrain(t *testing.T) {
	docs, err := os.ReadFile("../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	p := pods(objects(t, render(t, "cluster: {name: x}\n")))["collector"]
	for _, m := range p.Spec.Containers[0].VolumeMounts {
		if want := "/sluice-collector queue drain --data-dir " + m.MountPath; m.Name == "data" && !strings.Contains(string(docs), want) {
			t.Errorf("docs/kubernetes.md has no %q", want)
		}
	}
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(dockerfile), `"--data-dir", "/var/lib/sluice"`) {
		t.Error("the image keeps its data elsewhere than on the volume")
	}
}

// TestConfigAsWritten: braces and dollars of a user's configuration are not the chart's to expand.
func TestConfigAsWritten(t *testing.T) {
	const value = "{{ .Values.x }} ${env:A} $$1"
	all := objects(t, render(t, "cluster: {name: x}\nagent: {config: {processors: {resource: {attributes: [{key: a, action: insert, value: '"+value+"'}]}}}}\n"))
	if text := config(t, all, "agent.yaml"); !strings.Contains(text, value) {
		t.Error(text)
	}
}

// TestServiceMonitors: each finds one Service, with the port that it names.
func TestServiceMonitors(t *testing.T) {
	docs := render(t, "cluster: {name: x}\nmonitoring: {serviceMonitor: true}\n")
	monitors := 0
	for _, d := range docs {
		var monitor struct {
			Kind string
			Spec struct {
				Selector  metav1.LabelSelector
				Endpoints []struct{ Port string }
			}
		}
		if err := yaml.Unmarshal([]byte(d.Text), &monitor); err != nil {
			t.Fatal(err)
		}
		if monitor.Kind != "ServiceMonitor" {
			continue
		}
		monitors++
		found := 0
		for _, o := range objects(t, docs) {
			if s, is := o.(*corev1.Service); is && labels.SelectorFromSet(monitor.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels)) {
				found++
				if !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == monitor.Spec.Endpoints[0].Port }) {
					t.Errorf("%s has no port %s", s.Name, monitor.Spec.Endpoints[0].Port)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s: %d Services", d.Text, found)
		}
	}
	if monitors != 2 {
		t.Errorf("%d monitors", monitors)
	}
}

// TestExtras: what users add to pods is where it belongs; empty lists are taken, too.
func TestExtras(t *testing.T) {
	values := "cluster: {name: x}\ndestinations: [{name: a, type: otlp, endpoint: 'https://x', auth: {secretName: s, tokenKey: token}, tls: {caSecretName: ca}}]\ntls: {enabled: true, secretName: t}\nimage: {pullSecrets: [{name: r}]}\n"
	for _, c := range []string{"agent", "collector"} {
		values += c + ": {extraEnv: [{name: A, value: b}], extraVolumes: [{name: more, emptyDir: {}}], extraVolumeMounts: [{name: more, mountPath: /more}], tolerations: [], " +
			"affinity: {nodeAffinity: {}}, priorityClassName: mine, terminationGracePeriodSeconds: 90, resources: {limits: {memory: 700Mi}}}\n"
	}
	for component, p := range pods(objects(t, render(t, values))) {
		c := p.Spec.Containers[0]
		env := slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "A" && e.Value == "b" })
		volume := slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "more" && v.EmptyDir != nil })
		mount := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "more" && m.MountPath == "/more" })
		if !env || !volume || !mount || len(p.Spec.Tolerations) != 0 || p.Spec.Affinity == nil || p.Spec.PriorityClassName != "mine" || *p.Spec.TerminationGracePeriodSeconds != 90 || p.Spec.ImagePullSecrets[0].Name != "r" {
			t.Errorf("%s: %+v", component, p.Spec)
		}
	}
	for component, p := range pods(objects(t, render(t, "cluster: {name: x}\n"))) {
		if *p.Spec.TerminationGracePeriodSeconds < 30 { // the programs drain for 25 s
			t.Errorf("%s is killed while it drains", component)
		}
	}
}
