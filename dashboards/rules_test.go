package dashboards_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	prom "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/teststorage"
	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/dashboards/rules"
)

func parsedRules(t *testing.T) *rulefmt.RuleGroups {
	t.Helper()
	text, err := fs.ReadFile(rules.Files(), "sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return groups
}

// TestRulesAreComplete holds every rule to the conventions of dashboards/README.md.
func TestRulesAreComplete(t *testing.T) {
	for _, g := range parsedRules(t).Groups {
		for _, r := range g.Rules {
			if r.Record != "" {
				if !regexp.MustCompile(`^[a-z_]+:[a-z_]+:[a-z0-9_]+$`).MatchString(r.Record) {
					t.Errorf("%s is not level:metric:operation", r.Record)
				}
				continue
			}
			if !regexp.MustCompile(`^(Sluice|Node)([A-Z][a-z]+)+$`).MatchString(r.Alert) {
				t.Errorf("%s is not a noun first and in CamelCase", r.Alert)
			}
			if s := r.Labels["severity"]; s != "critical" && s != "warning" && s != "info" {
				t.Errorf("%s has severity %q", r.Alert, s)
			}
			if r.For == 0 {
				t.Errorf("%s fires at a single bad sample", r.Alert)
			}
			for _, name := range []string{"summary", "description"} {
				if !strings.HasSuffix(r.Annotations[name], ".") {
					t.Errorf("%s has no %s", r.Alert, name)
				}
			}
			page := strings.ToLower(r.Alert) + ".md"
			if !strings.HasSuffix(r.Annotations["runbook_url"], "/docs/runbooks/"+page) {
				t.Errorf("%s points to the runbook %q", r.Alert, r.Annotations["runbook_url"])
			}
			text, err := os.ReadFile(filepath.Join("..", "docs", "runbooks", page))
			if err != nil {
				t.Errorf("%s has no runbook: %v", r.Alert, err)
			}
			for _, part := range []string{"# " + r.Alert, "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"} {
				if !bytes.Contains(text, []byte(part+"\n")) {
					t.Errorf("the runbook of %s lacks %q", r.Alert, part)
				}
			}
		}
	}
}

// TestRules runs testdata/rules/*.txtar: "series" in the notation of promtool is loaded, the rules are evaluated every
// 15 seconds, and a section "alerts 10m" or "value 10m EXPRESSION" is what fires, or what the expression gives, then.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	tested := map[string]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runRules(t, archive, tested)
		})
	}
	for _, g := range parsedRules(t).Groups {
		for _, r := range g.Rules {
			if name := r.Record + r.Alert; !tested[name] {
				t.Errorf("no case makes %s fire, or have a value", name)
			}
		}
	}
}

// tick is how often the rules are evaluated, as in the embedded store.
const tick = 15 * time.Second

func runRules(t *testing.T, archive *txtar.Archive, tested map[string]bool) {
	var series string
	for _, f := range archive.Files {
		if f.Name == "series" {
			series = string(f.Data)
		}
	}
	world := newWorld(t, promqltest.LoadedStorage(t, "load 15s\n"+indent(series)))
	for _, f := range archive.Files {
		verb, rest, _ := strings.Cut(f.Name, " ")
		if verb == "series" {
			continue
		}
		at, expr, _ := strings.Cut(rest, " ")
		until, err := time.ParseDuration(at)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		world.run(until)
		var got []string
		switch verb {
		case "alerts":
			got = world.firing(tested)
		case "value":
			got = world.value(t, expr, until)
			tested[expr] = len(got) > 0
		default:
			t.Fatalf("%q is not a section of a case", f.Name)
		}
		if want := strings.TrimSpace(string(f.Data)); strings.Join(got, "\n") != want {
			t.Errorf("%s:\n got:\n%s\nwant:\n%s", f.Name, strings.Join(got, "\n"), want)
		}
	}
}

// promqltest takes the lines of a load that are indented.
func indent(series string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(series), "\n", "\n  ") + "\n"
}

// world is a store with the rules over it, and the time up to which they were evaluated.
type world struct {
	groups []*prom.Group
	query  prom.QueryFunc
	done   time.Duration
}

func newWorld(t *testing.T, store *teststorage.TestStorage) *world {
	engine := promqltest.NewTestEngine(t, false, 0, 100_000)
	w := &world{query: prom.EngineQueryFunc(engine, store), done: -tick}
	opts := &prom.ManagerOptions{
		QueryFunc: w.query, Appendable: store, Queryable: store, Context: context.Background(),
		Logger: slog.New(slog.DiscardHandler), NotifyFunc: func(context.Context, string, ...*prom.Alert) {},
	}
	for _, g := range parsedRules(t).Groups {
		o := prom.GroupOptions{Name: g.Name, File: "sluice.yaml", Interval: tick, Opts: opts}
		for _, r := range g.Rules {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
			if err != nil {
				t.Fatal(err)
			}
			if r.Record != "" {
				o.Rules = append(o.Rules, prom.NewRecordingRule(r.Record, expr, labels.FromMap(r.Labels)))
				continue
			}
			o.Rules = append(o.Rules, prom.NewAlertingRule(
				r.Alert, expr, time.Duration(r.For), time.Duration(r.KeepFiringFor), labels.FromMap(r.Labels),
				labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, opts.Logger))
		}
		w.groups = append(w.groups, prom.NewGroup(o))
	}
	return w
}

func (w *world) run(until time.Duration) {
	for w.done+tick <= until {
		w.done += tick
		for _, g := range w.groups {
			g.Eval(context.Background(), time.UnixMilli(0).Add(w.done))
		}
	}
}

// firing lists what fires, with its labels and its description.
func (w *world) firing(tested map[string]bool) []string {
	var out []string
	for _, g := range w.groups {
		for _, r := range g.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				if a.State == prom.StateFiring {
					out = append(out, a.Labels.String()+"\n  "+a.Annotations.Get("description"))
					tested[r.Name()] = true
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) value(t *testing.T, expr string, at time.Duration) []string {
	t.Helper()
	v, err := w.query(context.Background(), expr, time.UnixMilli(0).Add(at))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range v {
		out = append(out, fmt.Sprintf("%s %.4g", s.Metric, s.F))
	}
	slices.Sort(out)
	return out
}
