package dashboards_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// datasources is provisioning/datasources/sluice.yaml, as far as we use it.
type datasources struct {
	APIVersion  int  `yaml:"apiVersion"`
	Prune       bool `yaml:"prune"`
	Datasources []struct {
		Name      string         `yaml:"name"`
		UID       string         `yaml:"uid"`
		Type      string         `yaml:"type"`
		Access    string         `yaml:"access"`
		URL       string         `yaml:"url"`
		IsDefault bool           `yaml:"isDefault"`
		Editable  bool           `yaml:"editable"`
		JSONData  map[string]any `yaml:"jsonData"`
	} `yaml:"datasources"`
}

func provisioned(t *testing.T, file string, into any) string {
	t.Helper()
	text, err := os.ReadFile("provisioning/" + file)
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return string(text)
}

func TestDatasources(t *testing.T) {
	var f datasources
	text := provisioned(t, "datasources/sluice.yaml", &f)
	if f.APIVersion != 1 || len(f.Datasources) != 3 {
		t.Fatalf("version %d with %d data sources", f.APIVersion, len(f.Datasources))
	}
	const store = "http://127.0.0.1:7700"
	want := map[string]string{"prometheus": store, "loki": store, "tempo": store + "/tempo"}
	uids := map[string]bool{}
	for _, d := range f.Datasources {
		if d.URL != want[d.Type] {
			t.Errorf("%s asks %s, not %s", d.Name, d.URL, want[d.Type])
		}
		if d.Access != "proxy" || d.Editable || d.IsDefault != (d.Type == "prometheus") {
			t.Errorf("%s: access %s, editable %v, default %v", d.Name, d.Access, d.Editable, d.IsDefault)
		}
		uids[d.UID] = true
	}
	for _, ref := range regexp.MustCompile(`datasourceUid: (\S+)`).FindAllStringSubmatch(text, -1) {
		if !uids[ref[1]] {
			t.Errorf("refers to the data source %s, which is not there", ref[1])
		}
	}
	for _, line := range strings.Split(text, "\n") {
		code, _, _ := strings.Cut(line, "#")
		if regexp.MustCompile(`(^|[^$])\$[^$]`).MatchString(code) {
			t.Errorf("Grafana would put an environment variable into %q; write $$", line)
		}
	}
	for _, key := range []string{"tracesToLogsV2", "tracesToMetrics", "derivedFields", "exemplarTraceIdDestinations"} {
		if !strings.Contains(text, key+":") {
			t.Errorf("%s lacks: nothing leads from one signal to the other", key)
		}
	}
	lintCorrelations(t, f)
}

// lintCorrelations parses the queries that lead from a trace to logs and metrics, with a span's tags put in.
func lintCorrelations(t *testing.T, f datasources) {
	in := strings.NewReplacer("$${__tags}", `service_name="shop"`, "$${__trace.traceId}", "0102", "$$__tags", `service_name="shop"`)
	for _, d := range f.Datasources {
		if d.Type != "tempo" {
			continue
		}
		toLogs := d.JSONData["tracesToLogsV2"].(map[string]any)
		if _, err := logql.ParseLog(in.Replace(toLogs["query"].(string))); err != nil {
			t.Error(err)
		}
		for _, q := range d.JSONData["tracesToMetrics"].(map[string]any)["queries"].([]any) {
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(in.Replace(q.(map[string]any)["query"].(string))); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestDashboardProvider(t *testing.T) {
	var f struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name     string            `yaml:"name"`
			Folder   string            `yaml:"folder"`
			Type     string            `yaml:"type"`
			Keep     bool              `yaml:"disableDeletion"`
			Edit     bool              `yaml:"allowUiUpdates"`
			Interval int               `yaml:"updateIntervalSeconds"`
			Options  map[string]string `yaml:"options"`
		} `yaml:"providers"`
	}
	provisioned(t, "dashboards/sluice.yaml", &f)
	if f.APIVersion != 1 || len(f.Providers) != 1 {
		t.Fatalf("version %d with %d providers", f.APIVersion, len(f.Providers))
	}
	p := f.Providers[0]
	if p.Type != "file" || !p.Keep || p.Edit {
		t.Errorf("provider %+v", p)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, mount := range []string{"dashboards/json:" + p.Options["path"] + ":", "dashboards/provisioning:/etc/grafana/provisioning:"} {
		if !bytes.Contains(readme, []byte(mount)) {
			t.Errorf("README.md does not mount %s", mount)
		}
	}
}
