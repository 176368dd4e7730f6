package kubesd

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"go.yaml.in/yaml/v2"
)

// TestSameFaultsAsPrometheus: what Prometheus refuses is refused in its words, or in ours where it advises what we do not have.
func TestSameFaultsAsPrometheus(t *testing.T) {
	for text, ours := range map[string]string{
		"{role: pods}": "", "{role: Pod}": "", "{role: [a]}": "", "{}": "", "{namespaces: {names: [a]}}": "",
		"{role: pod, selectors: [{role: service}]}":                          "",
		"{role: endpoints, selectors: [{role: node}]}":                       "",
		"{role: pod, selectors: [{role: pod}, {role: pod}]}":                 "",
		"{role: pod, selectors: [{label: a=b}]}":                             "",
		"{role: pod, selectors: [{role: pod, label: '!!'}]}":                 "",
		"{role: pod, selectors: [{role: pod, field: 'a'}]}":                  "",
		"{role: pod, basic_auth: {username: a}, authorization: {type: X}}":   "",
		"{role: pod, kubeconfig_file: a, namespaces: {own_namespace: true}}": "",
		"{role: pod, kubeconfig_file: a, follow_redirects: false}":           "",
		"{role: pod, kubeconfig_file: a, api_server: 'http://a'}":            "",
		"{role: pod, attach_metadata: {node: 5}}":                            "",
		"{role: pod, basic_auth: {username: a}}":                             "kubeconfig_file",
		"{role: pod, tls_config: {insecure_skip_verify: true}}":              "kubeconfig_file",
		"{role: pod, nonsense: 1}":                                           "field nonsense not found",
	} {
		theirs := yaml.UnmarshalStrict([]byte(text), &kubernetes.SDConfig{})
		err := yaml.UnmarshalStrict([]byte(text), &Config{})
		switch {
		case theirs == nil || err == nil:
			t.Errorf("%s: Prometheus says %v, we say %v", text, theirs, err)
		case ours == "" && err.Error() != theirs.Error() || ours != "" && !strings.Contains(err.Error(), ours):
			t.Errorf("%s: Prometheus says %v, we say %v", text, theirs, err)
		}
	}
	for _, text := range []string{"{role: pod, api_server: 'http://a'}", "{role: pod, own_node: maybe}", "{role: pod, own_node: [true]}", "{role: ingress, own_node: true}"} {
		if err := yaml.UnmarshalStrict([]byte(text), &Config{}); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

// TestSameValuesAsPrometheus: every key of Prometheus is read into a field of the same value.
func TestSameValuesAsPrometheus(t *testing.T) {
	const text = `{role: endpoints, kubeconfig_file: k, namespaces: {names: [a, b]}, selectors: [{role: pod, label: a=b, field: c=d}, {role: endpoints}],
attach_metadata: {node: true, namespace: true, deployment: true, job: true, cronjob: true}}`
	theirs, ours := parse[kubernetes.SDConfig](t, text), parse[Config](t, text)
	theirs.SetDirectory("/dir")
	ours.SetDirectory("/dir")
	want, err := yaml.Marshal(theirs)
	if err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	var w, g map[string]any
	if yaml.Unmarshal(want, &w) != nil || yaml.Unmarshal(got, &g) != nil || !reflect.DeepEqual(w, g) {
		t.Errorf("ours\n%s\nPrometheus'\n%s", got, want)
	}
	fields := func(v any) int { return reflect.TypeOf(v).NumField() }
	if fields(Config{}) != fields(kubernetes.SDConfig{})+1 {
		t.Error("Prometheus has a new key")
	}
}

// TestOwnNamespace: the pod's own joins those that are named, and an empty file is never all of them.
func TestOwnNamespace(t *testing.T) {
	was := ownNamespaceFile
	t.Cleanup(func() { ownNamespaceFile = was })
	ownNamespaceFile = filepath.Join(t.TempDir(), "namespace")
	c := parse[Config](t, "{role: pod, namespaces: {own_namespace: true, names: [a]}}")
	if _, err := c.namespaces(); err == nil {
		t.Error("no file, no error")
	}
	for content, want := range map[string][]string{"mine\n": {"a", "mine"}, " \n": nil} {
		if err := os.WriteFile(ownNamespaceFile, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := c.namespaces(); !reflect.DeepEqual(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %v, %v", content, got, err)
		}
	}
}

// TestNamesThatMeet: of two keys that give one label the same wins each time, and memory for names is bounded.
func TestNamesThatMeet(t *testing.T) {
	n := names{}
	for range 50 {
		l := model.LabelSet{}
		n.put(l, "pod_label", map[string]string{"a.b": "1", "a_b": "3", "a-b": "0", "a/b": "2"})
		if got := l[prefix+"pod_label_a_b"]; got != "3" || len(l) != 2 {
			t.Fatalf("%v", l)
		}
	}
	for i := range 2 * mostNames {
		n.get("pod_label", strings.Repeat("x", i%100)+string(rune('a'+i%26))+strings.Repeat("y", i/100))
	}
	if len(n) > mostNames {
		t.Errorf("%d names", len(n))
	}
}
