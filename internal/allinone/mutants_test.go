package allinone_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/internal/trial"
)

// A mutant is a shipped configuration with one statement, action or rule changed.
type mutant struct {
	what string
	text []byte
}

// mutants makes all mutants of a configuration.
func mutants(t *testing.T, text []byte) (out []mutant) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	emit := func(n *yaml.Node, format string, args ...any) {
		changed, err := yaml.Marshal(&doc)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, mutant{fmt.Sprintf("line %d: ", n.Line) + fmt.Sprintf(format, args...), changed})
	}
	var walk func(n *yaml.Node, path []string)
	walk = func(n *yaml.Node, path []string) {
		last := path[len(path)-1]
		switch {
		case n.Kind == yaml.MappingNode:
			for i := 0; i < len(n.Content); i += 2 {
				walk(n.Content[i+1], append(path, n.Content[i].Value))
			}
		case n.Kind == yaml.SequenceNode:
			for i, e := range n.Content {
				if mutable(path) {
					rest := n.Content
					n.Content = slices.Delete(slices.Clone(rest), i, i+1)
					emit(e, "without %s", oneLine(e))
					n.Content = rest
				}
				walk(e, append(path, "-"))
			}
		case n.Kind == yaml.ScalarNode && mutable(path):
			was := *n
			for _, value := range changed(last, n.Value) {
				n.Value, n.Style = value, yaml.DoubleQuotedStyle
				emit(n, "%q in place of %q", value, was.Value)
				*n = was
			}
		}
	}
	walk(doc.Content[0], []string{""})
	return out
}

func oneLine(n *yaml.Node) string {
	text, _ := yaml.Marshal(n)
	return strings.Join(strings.Fields(string(text)), " ")
}

// mutable says whether what is below a path decides on records.
func mutable(path []string) bool {
	for i, key := range path {
		typ, _, _ := strings.Cut(key, "/")
		if key == "relabel_configs" || key == "metric_relabel_configs" || i == 2 && path[1] == "processors" && slices.Contains([]string{"transform", "filter", "attributes", "resource"}, typ) {
			return path[len(path)-1] != "error_mode"
		}
	}
	return false
}

var (
	operators   = regexp.MustCompile(`==|!=|>=|<=|>|<| and | or |not `)
	flipped     = map[string]string{"==": "!=", "!=": "==", ">=": "<", "<=": ">", ">": "<=", "<": ">=", " and ": " or ", " or ": " and ", "not ": ""}
	literals    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	choices     = regexp.MustCompile(`[^|()]+\||\|[^|()]+`)
	anchors     = regexp.MustCompile(`\(\?i\)|\^|\$\$?`)
	otherAction = map[string]string{
		"keep": "drop", "drop": "keep", "labeldrop": "labelkeep", "labelkeep": "labeldrop", "labelmap": "labeldrop",
		"insert": "upsert", "upsert": "insert", "update": "upsert", "hash": "delete",
	}
)

// changed are the values that stand for a scalar in mutants.
func changed(key, value string) (out []string) {
	switch key {
	case "action":
		if other := otherAction[value]; other != "" {
			return []string{other}
		}
		return nil
	case "regex", "pattern":
		return append(without(value), "mutant")
	case "key", "replacement", "target_label", "value":
		return []string{"mutant"}
	}
	if !strings.ContainsAny(value, "(=<>") {
		return []string{"mutant"} // of source_labels
	}
	quoted := literals.FindAllStringIndex(value, -1)
	inside := func(at []int) bool {
		return slices.ContainsFunc(quoted, func(q []int) bool { return q[0] <= at[0] && at[1] <= q[1] })
	}
	for _, at := range operators.FindAllStringIndex(value, -1) {
		if !inside(at) {
			out = append(out, value[:at[0]]+flipped[value[at[0]:at[1]]]+value[at[1]:])
		}
	}
	for _, q := range quoted {
		literal := value[q[0]+1 : q[1]-1]
		for _, other := range append(without(literal), "mutant") {
			out = append(out, value[:q[0]+1]+other+value[q[1]-1:])
		}
	}
	return out
}

// without is a regular expression less one alternative, anchor or flag.
func without(text string) (out []string) {
	for _, part := range []*regexp.Regexp{choices, anchors} {
		for _, at := range part.FindAllStringIndex(text, -1) {
			out = append(out, text[:at[0]]+text[at[1]:])
		}
	}
	return out
}

// TestEveryMutantFailsACase: each operator, regular expression, statement, action and rule of the shipped configurations is
// decided by a case.
func TestEveryMutantFailsACase(t *testing.T) {
	byConfig := map[string][]*trial.Case{}
	for _, c := range shippedCases(t) {
		byConfig[c.Config[0].Name] = append(byConfig[c.Config[0].Name], c)
	}
	made, invalid := 0, 0
	for file, cases := range byConfig {
		original := cases[0].Config[0].YAML
		for _, m := range mutants(t, original) {
			r := runner()
			survives := true
			for _, c := range cases {
				c.Config[0].YAML = m.text
				out, err := r.Run(t.Context(), c)
				c.Config[0].YAML = original
				if err != nil {
					survives, invalid = false, invalid+1
				}
				if err != nil || len(out.Differences) > 0 {
					survives = false
					break
				}
			}
			made++
			if survives {
				t.Errorf("%s: no case fails for %s", filepath.Base(file), m.what)
			}
		}
	}
	t.Logf("%d mutants, %d of them invalid", made, invalid)
	if made-invalid < 100 {
		t.Errorf("only %d mutants", made-invalid)
	}
}
