package helm

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestReadme: the chart's README has a row for each value with a comment, as values.yaml has it.
func TestReadme(t *testing.T) {
	values, err := os.ReadFile("sluice/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("sluice/README.md")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- begin values -->\n", "<!-- end values -->\n"
	before, rest, found := strings.Cut(string(readme), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("README.md has no place for the values")
	}
	compare(t, "sluice/README.md", before+begin+rows(string(values))+end+after)
}

// rows are the lines of a table: key, default, what it is for.
func rows(values string) string {
	var b strings.Builder
	b.WriteString("| value | default | what |\n| --- | --- | --- |\n")
	var path []string
	comment := ""
	for line := range strings.Lines(values) {
		text := strings.TrimSpace(line)
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		key, value, isKey := strings.Cut(text, ":")
		switch {
		case strings.HasPrefix(text, "# -- "):
			comment = strings.TrimPrefix(text, "# -- ")
		case strings.HasPrefix(text, "# ") && comment != "" && !strings.HasPrefix(text, "# -"):
			comment += " " + strings.TrimPrefix(text, "# ")
		case text == "" || strings.HasPrefix(text, "#") || strings.HasPrefix(text, "- ") || !isKey:
		default:
			path = append(path[:min(depth, len(path))], key)
			if comment != "" {
				if value = strings.TrimSpace(value); value == "" {
					value = "see values.yaml"
				} else {
					value = "`" + value + "`"
				}
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.Join(path, "."), value, strings.ReplaceAll(comment, "|", `\|`))
			}
			comment = ""
		}
	}
	return b.String()
}
