package helm

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/ and ../kubernetes anew")

// cases are the values of ci/, by name.
func cases(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("sluice/ci/*-values.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d values, %v", len(files), err)
	}
	out := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(f), "-values.yaml")] = string(b)
	}
	return out
}

func render(t *testing.T, values string) []Document {
	t.Helper()
	docs, err := Render("sluice", values)
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// TestGoldens: what each set of values renders is what was looked at. Dashboards are left out: they have tests of their own.
func TestGoldens(t *testing.T) {
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, d := range render(t, values) {
				if !strings.Contains(d.Text, "grafana_dashboard:") {
					b.WriteString("---\n# " + d.Path + "\n" + d.Text)
				}
			}
			compare(t, filepath.Join("testdata", name+".yaml"), b.String())
		})
	}
}

// TestPlainManifests: configs/kubernetes is the chart with its defaults.
func TestPlainManifests(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Rendered from the chart in configs/helm by `make dashboards`: an agent on each node and a collector that stores everything.\n" +
		"#   kubectl create namespace sluice && kubectl label namespace sluice pod-security.kubernetes.io/enforce=privileged\n" +
		"#   kubectl apply -f configs/kubernetes/sluice.yaml\n# Write your cluster's name in place of my-cluster first.\n")
	for _, d := range render(t, "cluster: {name: my-cluster}\ngrafana: {dashboards: false, datasources: false}\n") {
		b.WriteString("---\n" + d.Text)
	}
	compare(t, "../kubernetes/sluice.yaml", b.String())
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not what the chart renders; look at the difference after `make dashboards`", path)
	}
}

// TestFiles: the chart's copies of dashboards, rules and data sources are those of dashboards/.
func TestFiles(t *testing.T) {
	for from, to := range map[string]string{"json": "dashboards", "rules": "rules", "provisioning/datasources": "datasources"} {
		source, err := filepath.Glob(filepath.Join("../../dashboards", from, "*"))
		if err != nil || len(source) == 0 {
			t.Fatal(from, err)
		}
		for _, f := range source {
			if filepath.Ext(f) == ".go" {
				continue
			}
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, filepath.Join("sluice/files", to, filepath.Base(f)), string(b))
		}
	}
}

// TestRefusals: values that cannot work are refused with the place and the fix.
func TestRefusals(t *testing.T) {
	for values, want := range map[string]string{
		"":                                      "cluster.name is missing",
		"cluster: {name: x}\ncolector: {}":      "colector",
		"cluster: {name: x}\npresets: {log: 1}": "log",
		"cluster: {name: x}\nsize: huge":        "size",
		"cluster: {name: x}\ncollector: {mode: deployment}":                                                                            "name a destination",
		"cluster: {name: x}\ncollector: {autoscaling: {enabled: true}}":                                                                "autoscaling",
		"cluster: {name: x}\ndestinations: [{name: a, type: loki, endpoint: 'http://x:3100/'}]":                                        "such as http://x:3100/loki/api/v1/push",
		"cluster: {name: x}\ndestinations: [{name: a, type: prometheus, endpoint: 'http://x:9090'}]":                                   "such as http://x:9090/api/v1/write",
		"cluster: {name: x}\ndestinations: [{name: a, type: otlp, endpoint: 'https://x/otlp/v1/traces'}]":                              "write https://x/otlp",
		"cluster: {name: x}\ncollector: {replicas: 2}":                                                                                 "collector.replicas",
		"cluster: {name: x}\nfullnameOverride: A_b":                                                                                    "fullnameOverride",
		"cluster: {name: x}\nimage: {digest: {agent: latest}}":                                                                         "digest",
		"cluster: {name: x}\ncollector: {enabled: false}":                                                                              "agent.config.exporters",
		"cluster: {name: x}\ntls: {enabled: true}":                                                                                     "tls.secretName",
		"cluster: {name: x}\ntls: {certManager: {enabled: true, issuerRef: {name: i}}}":                                                "tls.enabled",
		"cluster: {name: x}\ntls: {enabled: true, certManager: {enabled: true}}":                                                       "issuerRef",
		"cluster: {name: x}\nagent: {hostNetwork: true}":                                                                               "networkPolicy.extraFrom",
		"cluster: {name: x}\ndestinations: [{name: a, type: otlp, endpoint: 'http://x'}, {name: a, type: otlp, endpoint: 'http://y'}]": "twice",
		"cluster: {name: x}\ndestinations: [{name: A, type: loki, endpoint: 'http://x'}]":                                              "name",
		"cluster: {name: x}\ndestinations: [{name: a, type: elastic, endpoint: 'http://x'}]":                                           "type",
		"cluster: {name: x}\ndestinations: [{name: a, type: loki, endpoint: 'loki:3100'}]":                                             "endpoint",
		"cluster: {name: x}\ndestinations: [{name: a, type: loki, endpoint: 'http://x', auth: {secretName: s}}]":                       "auth",
	} {
		if _, err := Render("sluice", values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want words about %q", values, err, want)
		}
	}
}
