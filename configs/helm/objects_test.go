package helm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// custom are the kinds of others, which client-go does not know.
var custom = []string{"monitoring.coreos.com/v1", "cert-manager.io/v1"}

// objects decodes what is rendered strictly: an unknown or repeated field is an error.
func objects(t *testing.T, docs []Document) (out []runtime.Object) {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for _, d := range docs {
		var head struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name, Namespace string
				Labels          map[string]string
			} `json:"metadata"`
		}
		if err := yaml.Unmarshal([]byte(d.Text), &head); err != nil {
			t.Fatalf("%s: %v\n%s", d.Path, err, d.Text)
		}
		if head.Metadata.Name == "" || len(head.Metadata.Name) > 63 && head.Kind != "ConfigMap" {
			t.Errorf("%s: name %q", d.Path, head.Metadata.Name)
		}
		if slices.Contains(custom, head.APIVersion) {
			if err := yaml.UnmarshalStrict([]byte(d.Text), &map[string]any{}); err != nil {
				t.Errorf("%s: %v", d.Path, err)
			}
			continue
		}
		o, _, err := decoder.Decode([]byte(d.Text), nil, nil)
		if err != nil {
			t.Errorf("%s: %v\n%s", d.Path, err, d.Text)
			continue
		}
		out = append(out, o)
	}
	return out
}

// pods are the pod templates among objects, by component.
func pods(all []runtime.Object) map[string]corev1.PodTemplateSpec {
	out := map[string]corev1.PodTemplateSpec{}
	for _, o := range all {
		var p corev1.PodTemplateSpec
		switch o := o.(type) {
		case *appsv1.DaemonSet:
			p = o.Spec.Template
		case *appsv1.StatefulSet:
			p = o.Spec.Template
		case *appsv1.Deployment:
			p = o.Spec.Template
		default:
			continue
		}
		out[p.Labels["app.kubernetes.io/component"]] = p
	}
	return out
}

// TestStrict: every object of every set of values is one that the API server takes.
func TestStrict(t *testing.T) {
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			all := objects(t, render(t, values))
			if len(all) < 8 {
				t.Errorf("only %d objects", len(all))
			}
			for component, p := range pods(all) {
				mounted := map[string]bool{}
				for _, m := range p.Spec.Containers[0].VolumeMounts {
					mounted[m.Name] = true
				}
				for _, v := range p.Spec.Volumes {
					if !mounted[v.Name] {
						t.Errorf("%s: nothing uses the volume %s", component, v.Name)
					}
				}
			}
		})
	}
}

// TestPodSecurity: the collector is restricted. The agent breaks only what reading a node needs, and what is said of it.
func TestPodSecurity(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	allowed := []string{"hostPath volumes", "unrestricted capabilities", "restricted volume types", "runAsNonRoot != true", "runAsUser=0"}
	for name, values := range cases(t) {
		for component, p := range pods(objects(t, render(t, values))) {
			for _, r := range evaluator.EvaluatePod(level, &p.ObjectMeta, &p.Spec) {
				if r.Allowed || component == "agent" && slices.Contains(allowed, r.ForbiddenReason) {
					continue
				}
				if component == "agent" && name == "hostnetwork" && (r.ForbiddenReason == "host namespaces" || r.ForbiddenReason == "hostPort") {
					continue
				}
				if component == "agent" && r.ForbiddenReason == "seLinuxOptions" && name == "presets" { // the values ask for it
					continue
				}
				t.Errorf("%s, %s: %s: %s", name, component, r.ForbiddenReason, r.ForbiddenDetail)
			}
			c := p.Spec.Containers[0].SecurityContext
			if c == nil || c.ReadOnlyRootFilesystem == nil || !*c.ReadOnlyRootFilesystem || p.Spec.HostNetwork != (component == "agent" && name == "hostnetwork") || p.Spec.HostPID {
				t.Errorf("%s, %s: %+v", name, component, c)
			}
			writable := 0
			for _, m := range p.Spec.Containers[0].VolumeMounts {
				if !m.ReadOnly {
					writable++
				}
			}
			if writable != 1 {
				t.Errorf("%s, %s: %d writable mounts, want 1", name, component, writable)
			}
		}
	}
}

// TestRestricted: an agent that reads nothing of the node's disk needs no privileged namespace, and is not root.
func TestRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	values := "cluster: {name: x}\npresets: {logs: false, host: false}\nagent: {dataPath: ''}\n"
	p := pods(objects(t, render(t, values)))["agent"]
	for _, r := range evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, &p.ObjectMeta, &p.Spec) {
		if !r.Allowed {
			t.Errorf("%s: %s", r.ForbiddenReason, r.ForbiddenDetail)
		}
	}
}

// TestRights: each preset brings the rights that it needs and no others; nodes/proxy never.
func TestRights(t *testing.T) {
	off := "cluster: {name: x}\npresets: {logs: false, attributes: false, kubelet: false, host: false, annotations: false, cluster: false, events: false, "
	for preset, want := range map[string]string{
		"logs": "", "host": "",
		"attributes":  "pods: get list watch",
		"annotations": "pods: get list watch",
		"kubelet":     "nodes/metrics: get",
		"cluster": "pods nodes namespaces services resourcequotas persistentvolumes persistentvolumeclaims: list watch; deployments replicasets statefulsets daemonsets: list watch; " +
			"jobs cronjobs: list watch; horizontalpodautoscalers: list watch; poddisruptionbudgets: list watch; ingresses: list watch; leases: create; leases: get update",
		"events": "events: list watch; leases: create; leases: get update",
	} {
		if got := rights(objects(t, render(t, off+preset+": true}\n"))); strings.Join(got, "; ") != want {
			t.Errorf("%s: %q, want %q", preset, got, want)
		}
	}
}

// rights are the rules of all roles, as "resources: verbs".
func rights(all []runtime.Object) (out []string) {
	for _, o := range all {
		var rules []rbacv1.PolicyRule
		switch o := o.(type) {
		case *rbacv1.ClusterRole:
			rules = o.Rules
		case *rbacv1.Role:
			rules = o.Rules
		}
		for _, rule := range rules {
			out = append(out, strings.Join(rule.Resources, " ")+": "+strings.Join(rule.Verbs, " "))
		}
	}
	return out
}

// TestConfigurations: what the chart writes into ConfigMaps is valid for the programs that read it.
func TestConfigurations(t *testing.T) {
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			for _, o := range objects(t, render(t, values)) {
				cm, is := o.(*corev1.ConfigMap)
				if !is {
					continue
				}
				for file, text := range cm.Data {
					program := map[string]string{"agent.yaml": "sluice-agent", "collector.yaml": "sluice-collector"}[file]
					if program != "" {
						validate(t, program, text)
					}
				}
			}
		})
	}
}

// validate runs the program's own check with the files that a pod has mounted.
func validate(t *testing.T, program, text string) {
	t.Helper()
	binary, err := filepath.Abs("../../bin/" + program)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatal("make build first: ", err)
	}
	root := t.TempDir()
	for _, place := range []string{"/etc/sluice/", "/var/run/secrets/", "/host/"} {
		text = strings.ReplaceAll(text, place, filepath.Join(root, place)+"/")
	}
	files := map[string][]byte{}
	cert, key := certificate(t)
	for _, f := range []string{"etc/sluice/tls/ca.crt", "etc/sluice/tls/tls.crt", "etc/sluice/metrics-ca/ca.crt", "var/run/secrets/kubernetes.io/serviceaccount/ca.crt"} {
		files[f] = cert
	}
	files["etc/sluice/tls/tls.key"] = key
	for _, f := range []string{"etc/sluice/metrics-auth/token", "etc/sluice/logs-auth/password", "etc/sluice/backend-auth/token", "var/run/secrets/kubernetes.io/serviceaccount/token", "host/proc/x", "host/sys/x", "host/root/x"} {
		files[f] = []byte("secret-marker")
	}
	for f, b := range files {
		path := filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(root, "config.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"validate", "print-config"} {
		cmd := exec.Command(binary, verb, "--config", config)
		cmd.Env = append(os.Environ(), "K8S_NODE_NAME=node-1", "K8S_NODE_IP=10.1.2.3", "K8S_POD_NAME=p", "K8S_NAMESPACE=sluice", "K8S_POD_UID=u")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s %s: %v\n%s", program, verb, err, out)
		}
		if bytes.Contains(out, []byte("secret-marker")) {
			t.Errorf("%s %s shows a secret", program, verb)
		}
		if strings.Contains(string(out), "warning") || strings.Contains(string(out), "WARN") {
			t.Logf("%s %s: %s", program, verb, out)
		}
	}
}
