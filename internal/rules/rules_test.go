// Package rules holds what this repository promises about itself, as tests: which folder may import which, where
// pdata may appear, what every folder must have.
package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/sluiceio/sluice/"

// floors are the folders from the ground up. A package imports only from floors below its own, and from below its
// own folder.
var floors = [][]string{
	{"wire", "ottl/syntax", "spool", "internal/backoff", "internal/build", "internal/poison", "internal/prefilter", "internal/statefile", "internal/stdlog", "internal/throttle", "dashboards/rules"},
	{"wire/prom", "wire/loki", "wire/template", "wire/otlpjson", "internal/buffer"},
	{"internal/conns", "ottl"},
	{"internal/listen", "kube"},
	{"pipeline", "internal/inflate"},
	{"pipeline/ledger", "pipeline/status", "pipeline/config/read", "pipeline/source", "pipeline/elected", "delivery/answer", "delivery/payload", "delivery/pace"},
	{"delivery/credential", "delivery/divide"},
	{"pipeline/engine", "pipeline/config", "pipeline/pipelinetest", "delivery"},
	{"delivery/httpclient"},
	{"receivers", "processors", "connectors", "exporters", "console"},
	// Stores and the API stand beside each other: neither knows the other, both speak the query languages, and package
	// store introduces them. So a store can be read by something else than HTTP, and the API can be over another store.
	{"store/rejects"},
	{"store/logs/logql", "store/traces/traceql", "store/logs/wal", "store/logs/rows", "store/logs/engine"},
	{"store/logs/search", "store/logs/logstest", "store/traces/tracestest", "store/metrics/metricstest"},
	{"store/metrics", "store/logs", "store/traces", "api"},
	{"store"},
	{"internal/trial"},
	{"internal/command"},
	{"agent", "collector"},
	{"internal/allinone"},
	{"cmd", "dashboards"},
	{"internal/rules"},
}

// source is one parsed Go file.
type source struct {
	path string // relative to the repository
	dir  string
	file *ast.File
	text string
	test bool
}

var fset = token.NewFileSet()

func sources(t *testing.T) []source {
	t.Helper()
	root := repository(t)
	var out []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if name := d.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "data" || rel == "e2e" || rel == "bench" || rel == "oracle" || rel == "cluster") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, source{rel, filepath.ToSlash(filepath.Dir(rel)), f, string(text), strings.HasSuffix(path, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func repository(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// floorOf is the floor and the folder that claims dir; the longest claim wins.
func floorOf(dir string) (floor int, folder string) {
	floor = -1
	for i, names := range floors {
		for _, n := range names {
			if (dir == n || strings.HasPrefix(dir, n+"/")) && len(n) > len(folder) {
				floor, folder = i, n
			}
		}
	}
	return floor, folder
}

func TestImportsRunDownward(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		from, folder := floorOf(s.dir)
		if from < 0 {
			t.Errorf("%s: folder %s has no floor; give it one in this file", s.path, s.dir)
			continue
		}
		for _, imp := range s.file.Imports {
			target, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module)
			if !ours || strings.HasPrefix(target, s.dir+"/") {
				continue
			}
			to, toFolder := floorOf(target)
			if to < from || (to == from && folder == toFolder && sharesParent(s.dir, target, folder)) {
				continue
			}
			t.Errorf("%s imports %s, which is not below it", s.path, target)
		}
	}
}

// sharesParent allows a component to import from its own folder, and a part of a package its whole, but not a
// component its neighbour.
func sharesParent(dir, target, folder string) bool {
	own := func(d string) string {
		rest := strings.TrimPrefix(strings.TrimPrefix(d, folder), "/")
		first, _, _ := strings.Cut(rest, "/")
		return first
	}
	return own(dir) == own(target) || own(dir) == "" || own(target) == ""
}

// forTests reports whether a package is only there for the tests of others, as pipelinetest is.
func forTests(dir string) bool {
	name := filepath.Base(dir)
	return strings.HasSuffix(name, "test") && name != "test"
}

// TestTestPackagesStayInTests: what is built for users imports no package for tests.
func TestTestPackagesStayInTests(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || forTests(s.dir) {
			continue
		}
		for _, imp := range s.file.Imports {
			target, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module)
			if ours && forTests(target) {
				t.Errorf("%s imports %s, which is for tests", s.path, target)
			}
		}
	}
}

// TestPdataStaysAtJSONsDoor: decoding into objects is what this project exists to avoid.
func TestPdataStaysAtJSONsDoor(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || forTests(s.dir) || s.path == "receivers/otlp/json.go" {
			continue
		}
		for _, imp := range s.file.Imports {
			if strings.Contains(imp.Path.Value, "go.opentelemetry.io/collector/pdata") {
				t.Errorf("%s imports %s; only receivers/otlp/json.go may", s.path, imp.Path.Value)
			}
		}
	}
}

// unlinked are packages that only tests may import, with what they would bring.
var unlinked = map[string]string{
	"k8s.io/client-go/kubernetes":                           "all API groups, 16 MB and as much memory: package kube has the groups that are needed",
	"k8s.io/client-go/kubernetes/scheme":                    "all API groups, 16 MB and as much memory: package kube has the groups that are needed",
	"k8s.io/client-go/dynamic":                              "all API groups: use package kube",
	"k8s.io/client-go/informers":                            "all API groups: package kube has the watches",
	"github.com/prometheus/prometheus/discovery/kubernetes": "client-go's clientset: receivers/scrape/kubesd has the builders",
	"github.com/prometheus/prometheus/discovery/install":    "the clients of all clouds: receivers/scrape/promfile names what is linked",
}

// TestNothingLargeIsLinked looks at all that the three programs are made of, as what others import counts too.
func TestNothingLargeIsLinked(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "remove_all_sd,enable_kubernetes_sd", "./cmd/...")
	list.Dir = repository(t)
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 500 {
		t.Fatalf("%d packages", len(packages))
	}
	for _, p := range packages {
		if why := unlinked[p]; why != "" {
			t.Errorf("%s is linked, which brings %s", p, why)
		}
	}
}

// TestOneDecompressor: what inflates by itself forgets the cap (opentelemetry-collector-contrib#48697).
func TestOneDecompressor(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || strings.HasPrefix(s.path, "internal/inflate/") {
			continue
		}
		for _, call := range []string{"gzip.NewReader(", "zstd.NewReader(", "flate.NewReader(", "zlib.NewReader(", "gzip.Reader"} {
			if strings.Contains(s.text, call) {
				t.Errorf("%s inflates by itself (%s); use internal/inflate", s.path, call)
			}
		}
	}
}

func TestEveryPackageIsDocumentedOnce(t *testing.T) {
	docs := map[string]int{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		docs[s.dir] += 0
		if s.file.Doc != nil {
			docs[s.dir]++
		}
	}
	for dir, n := range docs {
		if n != 1 {
			t.Errorf("package %s has %d package comments, want one", dir, n)
		}
	}
}

func TestFilesStaySmall(t *testing.T) {
	const most = 400
	for _, s := range sources(t) {
		if n := strings.Count(s.text, "\n"); !s.test && n > most {
			t.Errorf("%s has %d lines, more than %d; is a wall missing?", s.path, n, most)
		}
	}
}

func TestMainsAreThin(t *testing.T) {
	for _, s := range sources(t) {
		if s.file.Name.Name == "main" && strings.HasPrefix(s.dir, "cmd/") && strings.Count(s.text, "\n") > 15 {
			t.Errorf("%s has more than 15 lines; a daemon is a list in its own package", s.path)
		}
	}
}

func TestNoHiddenStart(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function; what a program does is written where it does it", s.path)
			}
		}
	}
}

func TestNoVagueNames(t *testing.T) {
	for _, s := range sources(t) {
		for _, bad := range []string{"util", "utils", "common", "helpers", "misc"} {
			if filepath.Base(s.dir) == bad || filepath.Base(s.path) == bad+".go" || filepath.Base(s.path) == "types.go" {
				t.Errorf("%s: name it after what it is for", s.path)
			}
		}
	}
}

func TestGoModHasNoReplaceAndNoCopyleft(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "replace") {
			t.Errorf("go.mod: %s", line)
		}
		for _, agpl := range []string{"github.com/grafana/loki ", "github.com/grafana/loki/v3 ", "github.com/grafana/tempo ", "github.com/grafana/mimir "} {
			if strings.HasPrefix(line, agpl) {
				t.Errorf("go.mod requires %s, which is AGPL", strings.TrimSpace(agpl))
			}
		}
	}
}

// TestMakefileStaysShort: at most 15 targets, each with its line of help.
func TestMakefileStaysShort(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		name, rest, ok := strings.Cut(line, ":")
		if !ok || strings.HasPrefix(line, "\t") || strings.HasPrefix(name, ".") || strings.ContainsAny(name, " =#") {
			continue
		}
		n++
		if !strings.Contains(rest, "## ") {
			t.Errorf("target %s has no help", name)
		}
	}
	if n > 16 {
		t.Errorf("%d targets, more than 16", n)
	}
}
