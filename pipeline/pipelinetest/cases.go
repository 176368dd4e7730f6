package pipelinetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
)

// Cases runs each testdata/*.txtar of the package as a test, with its parts by name.
func Cases(t *testing.T, run func(t *testing.T, part map[string]string)) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string]string{}
			for _, f := range txtar.Parse(text).Files {
				part[f.Name] = string(f.Data)
			}
			run(t, part)
		})
	}
}

// Config is a component's configuration.
type Config interface{ Validate() error }

// ConfigCases is Cases for a component: the part config is its configuration, over the defaults. If there is a part error, that
// is what the validation must say, and nothing is run; else it must say nothing.
func ConfigCases[C Config](t *testing.T, defaults func() C, run func(t *testing.T, c C, part map[string]string)) {
	Cases(t, func(t *testing.T, part map[string]string) {
		c := Decode(t, defaults(), part["config"])
		switch err := c.Validate(); {
		case err == nil && part["error"] == "":
			run(t, c, part)
		case err == nil || err.Error()+"\n" != part["error"]:
			t.Fatalf("got\n%v\nwant\n%s", err, part["error"])
		}
	})
}

// Decode reads YAML over a configuration, as the loader does.
func Decode[C any](t testing.TB, c C, text string) C {
	t.Helper()
	var keys map[string]any
	if err := yaml.Unmarshal([]byte(text), &keys); err != nil {
		t.Fatal(err)
	}
	if err := confmap.NewFromStringMap(keys).Unmarshal(c); err != nil {
		t.Fatal(err)
	}
	return c
}
