package rules

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unsettled are components whose shape waits for work that is under way on them.
var unsettled = map[string]string{"receivers/otlp": "its gRPC server is being replaced"}

// components are the folders that describe a component to the engine, with their sources, tests aside.
func components(t *testing.T) map[string][]source {
	t.Helper()
	out := map[string][]source{}
	for _, s := range sources(t) {
		if !s.test && strings.Contains(s.text, "\nfunc Component() pipeline.Component {") {
			out[s.dir] = nil
		}
	}
	for _, s := range sources(t) {
		if _, is := out[s.dir]; is && !s.test {
			out[s.dir] = append(out[s.dir], s)
		}
	}
	if len(out) == 0 {
		t.Fatal("no component was found")
	}
	return out
}

// TestComponentsHaveOneShape: who has read one knows where things are in all others.
func TestComponentsHaveOneShape(t *testing.T) {
	for dir, files := range components(t) {
		name := filepath.Base(dir)
		at := func(file string) string {
			for _, s := range files {
				if filepath.Base(s.path) == file {
					return s.text
				}
			}
			t.Errorf("component %s has no %s", dir, file)
			return ""
		}
		config, main := at("config.go"), at(name+".go")
		for _, want := range []string{"type Config struct", "func Default() *Config", "func Component() pipeline.Component"} {
			if !strings.Contains(config, "\n"+want) {
				t.Errorf("%s/config.go has no %s", dir, want)
			}
		}
		if !regexp.MustCompile(`\nfunc New\(\w+ pipeline\.Settings, \w+ \*Config`).MatchString(main) {
			t.Errorf("%s/%s.go has no func New(pipeline.Settings, *Config, ...)", dir, name)
		}
		counts := regexp.MustCompile(`prometheus\.New(Counter|Gauge|Histogram|Summary)`)
		for _, s := range files {
			if unsettled[dir] != "" {
				continue
			}
			if file := filepath.Base(s.path); counts.MatchString(s.text) != (file == "metrics.go") {
				if file == "metrics.go" {
					t.Errorf("%s registers no metrics", s.path)
				} else {
					t.Errorf("%s makes metrics; metrics.go is their place", s.path)
				}
			}
		}
		readme, err := os.ReadFile(filepath.Join(repository(t), dir, "README.md"))
		if err != nil {
			t.Errorf("component %s has no README.md", dir)
		}
		for _, heading := range []string{"## What it promises", "## What it does not do"} {
			if !strings.Contains(string(readme), "\n"+heading+"\n") {
				t.Errorf("%s/README.md has no heading %q", dir, heading)
			}
		}
	}
}

// TestSettingsAreCalledSettings: a struct that keeps its Settings calls the field settings.
func TestSettingsAreCalledSettings(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.dir == "pipeline" || forTests(s.dir) || unsettled[s.dir] != "" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			fields, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, f := range fields.Fields.List {
				typ, ok := f.Type.(*ast.SelectorExpr)
				if !ok || typ.Sel.Name != "Settings" {
					continue
				}
				if pkg, ok := typ.X.(*ast.Ident); !ok || pkg.Name != "pipeline" {
					continue
				}
				for _, name := range f.Names {
					if !name.IsExported() && name.Name != "settings" {
						t.Errorf("%s: the field %s holds pipeline.Settings; call it settings", s.path, name.Name)
					}
				}
			}
			return true
		})
	}
}

// bigFolders may have more than 12 files, tests aside, for the reason that stands here and in the package comment.
var bigFolders = map[string]string{
	"wire":             "check, cursors, edits and split share one table of the schema, the helpers that must inline, and the generator of the differential tests",
	"ottl":             "compiled expressions, paths and functions are closures over the same record and value",
	"wire/template":    "one state machine over the lines of a body; its tables are read and written at every step",
	"store/logs/logql": "a node of the syntax tree evaluates itself, so that parser and evaluation share their types",
}

// TestFoldersStaySmall: a folder of many files is several packages.
func TestFoldersStaySmall(t *testing.T) {
	const most = 12
	n := map[string]int{}
	for _, s := range sources(t) {
		if !s.test {
			n[s.dir]++
		}
	}
	for dir, files := range n {
		reason, may := bigFolders[dir]
		switch {
		case files > most && !may:
			t.Errorf("%s has %d files, more than %d; is a wall missing?", dir, files, most)
		case files <= most && may:
			t.Errorf("%s has %d files; take it out of the list (%s)", dir, files, reason)
		}
	}
}

// TestTheMapIsTheTree: ARCHITECTURE's table of folders names every folder of the top, and none that is not there.
func TestTheMapIsTheTree(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository(t), "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]string{} // folder: what the map says of it
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-z0-9]+/`(?:, `[a-z0-9]+/`)*) \\| (.*) \\|$").FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("[a-z0-9]+").FindAllString(row[1], -1) {
			named[name] = row[2]
		}
	}
	entries, err := os.ReadDir(repository(t))
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "bin" && e.Name() != "data" {
			there = append(there, e.Name())
			if _, is := named[e.Name()]; !is {
				t.Errorf("the map does not name %s/", e.Name())
			}
		}
	}
	for name := range named {
		if !slices.Contains(there, name) {
			t.Errorf("the map names %s/, which is not there", name)
		}
	}
	// Folders of components, and packages of what has more than one, stand in the row of their folder.
	for _, s := range sources(t) {
		top, below, _ := strings.Cut(s.dir, "/")
		first, _, _ := strings.Cut(below, "/")
		if first == "" || s.test || forTests(s.dir) || top == "cmd" || top == "dashboards" {
			continue
		}
		if !strings.Contains(named[top], "`"+first+"`") {
			t.Errorf("the map's row of %s/ does not name `%s`", top, first)
		}
	}
}
