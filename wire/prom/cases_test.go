package prom

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what the cases answer into testdata; read the diff")

// TestCases runs testdata/*.txtar: a request as OTLP/JSON, and what a walk yields. Lines of a section "config" are
// "promote NAME", "promote-all", "promote-all but service", "external NAME=VALUE", "deltas", "no suffixes" and "no target_info", over a configuration that promotes
// nothing.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := DefaultConfig()
			c.PromoteResourceAttributes = nil
			req := pmetricotlp.NewExportRequest()
			for i := range archive.Files {
				f := &archive.Files[i]
				switch f.Name {
				case "config":
					configure(t, &c, string(f.Data))
				case "request":
					if err := req.UnmarshalJSON(f.Data); err != nil {
						t.Fatal(err)
					}
				case "samples":
					got := render(t, New(c), req)
					if *update {
						f.Data = []byte(got)
					} else if got != string(f.Data) {
						t.Errorf("got:\n%s\nwant:\n%s", got, f.Data)
					}
				default:
					t.Fatalf("unknown section %q", f.Name)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func configure(t *testing.T, c *Config, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "promote":
			c.PromoteResourceAttributes = append(c.PromoteResourceAttributes, value)
		case "promote-all":
			c.PromoteAll, c.PromoteAllButService = value == "", value == "but service"
		case "external":
			if c.ExternalLabels == nil {
				c.ExternalLabels = map[string]string{}
			}
			name, v, _ := strings.Cut(value, "=")
			c.ExternalLabels[name] = v
		case "deltas":
			c.Deltas = true
		case "no":
			c.AddMetricSuffixes = c.AddMetricSuffixes && value != "suffixes"
			c.TargetInfo = c.TargetInfo && value != "target_info"
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
}

func render(t *testing.T, tr *Translator, req pmetricotlp.ExportRequest) string {
	t.Helper()
	out, report := lines(t, tr, request(t, req.Metrics()))
	report.EachRefused(func(w Why, points int, metric string) {
		out = append(out, fmt.Sprintf("refused %d of %q: %s", points, metric, w))
	})
	return strings.Join(out, "\n") + "\n"
}
