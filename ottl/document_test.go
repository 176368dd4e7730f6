package ottl

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the lists of docs/ottl.md")

// lists is the part of docs/ottl.md that is made from the code.
func lists() string {
	var b strings.Builder
	b.WriteString("| prefix | paths |\n| --- | --- |\n")
	for _, prefix := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", prefix, strings.Join(slices.Sorted(maps.Keys(fields[prefix])), "`, `"))
	}
	b.WriteString("\nNot supported:\n\n")
	for _, prefix := range slices.Sorted(maps.Keys(known)) {
		fmt.Fprintf(&b, "- of `%s`: `%s`\n", prefix, strings.Join(known[prefix], "`, `"))
	}
	for _, k := range []struct {
		name string
		of   map[string]function
	}{{"Editors", editors}, {"Converters", converters}} {
		fmt.Fprintf(&b, "\n## %s\n\n", k.name)
		for _, name := range slices.Sorted(maps.Keys(k.of)) {
			var args []string
			for _, p := range k.of[name].params {
				switch {
				case p.kind == argNone:
				case p.optional:
					args = append(args, "["+p.name+"]")
				default:
					args = append(args, p.name)
				}
			}
			fmt.Fprintf(&b, "- `%s(%s)`\n", name, strings.Join(args, ", "))
		}
	}
	own := append(slices.Collect(maps.Keys(ownEditors)), slices.Collect(maps.Keys(ownConverters))...)
	slices.Sort(own)
	fmt.Fprintf(&b, "\nOf ours, for what the processors `attributes` and `resource` do: `%s`.\n", strings.Join(own, "`, `"))
	fmt.Fprintf(&b, "\nNot supported: `%s`.\n", strings.Join(slices.Sorted(slices.Values(foreign)), "`, `"))
	return b.String()
}

// TestTheDocumentListsWhatThereIs: go test ./ottl -update writes it.
func TestTheDocumentListsWhatThereIs(t *testing.T) {
	const name, begin, end = "../docs/ottl.md", "<!-- made by go test ./ottl -update -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("docs/ottl.md has no place for the lists")
	}
	want := head + begin + lists() + end + tail
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("docs/ottl.md is old; run go test ./ottl -update")
	}
	if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNoFunctionIsBoth supported and not.
func TestNoFunctionIsBoth(t *testing.T) {
	for _, name := range foreign {
		if _, is := editors[name]; is {
			t.Errorf("%s is supported", name)
		}
		if _, is := converters[name]; is {
			t.Errorf("%s is supported", name)
		}
	}
}
