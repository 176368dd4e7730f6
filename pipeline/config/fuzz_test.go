package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/pipeline/config/read"
)

// canary is a secret that nothing may print.
const canary = "canary-7f3a-canary"

// FuzzLoad feeds arbitrary YAML: nothing may panic, every finding keeps its form, and no finding and no print-config
// may show a secret. A configuration that loads must print to one that loads the same.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range txtar.Parse(text).Files {
			if strings.HasSuffix(part.Name, ".yaml") {
				f.Add(string(part.Data), "exporters.debug.verbosity=high")
			}
		}
	}
	for _, text := range []string{
		"a: !!binary eA==", "a: !!float 5", "? ", "{}: {}", "a: &a\n  <<: *a", "- - -", "a::b: 1\na: 5", "::: 1", "a: ${", "a: ${}", "a: ${${}}",
		"service: {pipelines: {logs: {receivers: [${env:A}]}}}", "exporters: {otlp_http: {headers: {a: 5, b: {c: d}}}}", "null: null\n~: 5",
		"receivers: {otlp: {protocols: ${yaml:{grpc: }}}}", "a: 1e999\nb: .nan\nc: 0x7fffffffffffffffff", "exporters: {debug: ${yaml:[1, 2]}}",
	} {
		f.Add(text, "a.b=c")
	}
	f.Fuzz(func(t *testing.T, text, set string) {
		if strings.Contains(text, "file:") || strings.Contains(set, "file:") {
			t.Skip("a fuzzer has no business reading the machine's files")
		}
		src := read.Sources{
			Embedded: []read.Text{{Name: "secrets", YAML: []byte("exporters: {otlp_http: {token: " + canary + ", headers: {x: " + canary + "}}, other: {password: " + canary + "}}")}},
			Config:   []string{"yaml:" + text},
			Set:      []string{set},
		}
		cfg, warnings, err := Load(t.Context(), src, fakes(), Options{})
		var faults read.Faults
		if err != nil && !errors.As(err, &faults) {
			t.Fatalf("%T is no Faults", err)
		}
		if err == nil && cfg == nil || err != nil && len(faults) == 0 {
			t.Fatalf("neither a configuration nor a fault")
		}
		for _, found := range append(faults, warnings...) {
			if found.Text == "" || strings.Contains(found.Text, "\n") || strings.Contains(found.Text, canary) {
				t.Errorf("bad finding %q", found.String())
			}
		}
		printed, err := Print(t.Context(), src, fakes())
		if err != nil {
			return
		}
		if strings.Contains(string(printed), canary) {
			t.Errorf("print-config shows a secret:\n%s", printed)
		}
		again, err := Print(t.Context(), read.Sources{Config: []string{"yaml:" + string(printed)}}, fakes())
		if err != nil {
			t.Fatalf("what was printed does not read: %v\n%s", err, printed)
		}
		if !bytes.Equal(printed, again) {
			t.Errorf("printed once:\n%s\nprinted again:\n%s", printed, again)
		}
	})
}

// FuzzTree holds the tree of places to confmap: the same keys after merging two sources.
func FuzzTree(f *testing.F) {
	for _, pair := range [][2]string{
		{"a: {b: 1, c: [1, 2]}", "a: {b: {d: 1}}"}, {"a: {b: 1}", "a:"}, {"a: {b: 1}", "a: {}"}, {"a:", "a: {b: 1}"}, {"a::b: 1", "a: {c: 1}"},
		{"a: &x {b: 1}\nc: {<<: *x, b: 2, d: 3}", "c: {d: {e: 1}}"}, {"a: [{b: 1}]", "a: [{c: 1}, 2]"}, {"1: {true: x}", "1: {null: y}"},
		{"a: {}", "a::b: 1"}, {"{a: {b: {c: }}}", "{a: {b: {c: {}}}}"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		if strings.Contains(first+second, "$") {
			t.Skip("what is expanded has no nodes")
		}
		found := &read.Report{}
		res, broken := read.Resolve(t.Context(), read.Sources{Config: []string{"yaml:" + first, "yaml:" + second}}, found)
		if broken || len(found.Faults) > 0 {
			t.Skip("not a configuration")
		}
		if want, got := any(res.Raw), plainTree(res.Tree); !reflect.DeepEqual(keysOnly(want), got) {
			t.Errorf("confmap has %v, the tree has %v", keysOnly(want), got)
		}
	})
}

// plainTree and keysOnly make comparable maps of keys of a tree of nodes and of a decoded value.
func plainTree(n *read.Node) any {
	if n.IsMap() || len(n.Kids) > 0 {
		m := map[string]any{}
		for _, kid := range n.Kids {
			m[kid.Key] = plainTree(kid)
		}
		return m
	}
	return nil
}

func keysOnly(value any) any {
	switch v := read.Unwrap(value).(type) {
	case map[string]any:
		m := map[string]any{}
		for key, below := range v {
			m[key] = keysOnly(below)
		}
		return m
	case []any:
		if len(v) == 0 {
			return nil
		}
		m := map[string]any{}
		for i, below := range v {
			m[strconv.Itoa(i)] = keysOnly(below)
		}
		return m
	}
	return nil
}
