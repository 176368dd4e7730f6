package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Encode formats a dashboard with sorted keys and indentation, for readable diffs.
func Encode(d dashboard.Dashboard) ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the dashboard: %w", err)
	}
	// The SDK escapes < and >, which are common in queries; encoding again undoes it.
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, fmt.Errorf("cannot decode the dashboard again: %w", err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(tree); err != nil {
		return nil, fmt.Errorf("cannot encode the dashboard: %w", err)
	}
	return out.Bytes(), nil
}

// Files returns all generated files by their path below dashboards/.
func Files() (map[string][]byte, error) {
	boards, err := Boards()
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, b := range boards {
		text, err := Encode(b.Dashboard)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.File, err)
		}
		out["json/"+b.File] = text
	}
	out["rules/sluice.yaml"], err = EncodeRules(RuleGroups())
	return out, err
}

// Write writes all generated files below dir.
func Write(dir string) error {
	files, err := Files()
	if err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("cannot write %s: %w", name, err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return fmt.Errorf("cannot write %s: %w", name, err)
		}
	}
	return nil
}
