package rules

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The examples of docs/components.md are built, so that who copies one has something that works: each listing is a file of a
// package that is only laid over the repository.
func TestExamplesOfTheDocumentsBuild(t *testing.T) {
	root := repository(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "components.md"))
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]string{}
	add := func(name, source string) {
		file := filepath.Join(t.TempDir(), filepath.Base(name))
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(root, name)] = file
	}
	for _, part := range strings.Split(string(text), "\n```go\n")[1:] {
		source, _, _ := strings.Cut(part, "\n```")
		switch {
		case strings.Contains(source, "package posthttp"):
			if n := strings.Count(source, "\n") + 1; n >= 80 {
				t.Errorf("an exporter over HTTP takes %d lines; less than 80 are promised", n)
			}
			add("exporters/posthttp/posthttp.go", source)
		case strings.Contains(source, "type Config struct"):
			add("processors/renameattributes/config.go", source)
		case strings.Contains(source, "package renameattributes"):
			add("processors/renameattributes/renameattributes.go", source)
		default: // continues the package before it
			add("processors/renameattributes/dropper.go", "package renameattributes\n\nimport (\n\t\"context\"\n\n"+
				"\t\"github.com/sluiceio/sluice/pipeline\"\n\t\"github.com/sluiceio/sluice/wire\"\n)\n\n"+source)
		}
	}
	if len(overlay) != 4 {
		t.Fatalf("%d listings, want 4", len(overlay))
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "remove_all_sd,enable_kubernetes_sd", "-overlay", file,
		"./exporters/posthttp", "./processors/renameattributes")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("docs/components.md: %v\n%s", err, out)
	}
}
