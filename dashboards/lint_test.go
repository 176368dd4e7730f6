package dashboards_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// TestDashboards holds every dashboard to the conventions of dashboards/README.md, which are those of Grafana's own
// dashboard linter.
func TestDashboards(t *testing.T) {
	uids := map[string]string{}
	for file, d := range shipped(t) {
		t.Run(file, func(t *testing.T) {
			if d.Id != nil {
				t.Error("has an id, which belongs to one Grafana")
			}
			if d.Uid == nil || !regexp.MustCompile(`^sluice-[a-z-]{3,33}$`).MatchString(*d.Uid) || uids[*d.Uid] != "" {
				t.Errorf("uid %v is not one that stays and that nobody else has", d.Uid)
			}
			uids[*d.Uid] = file
			if !regexp.MustCompile(`^\S.* / \S.*$`).MatchString(*d.Title) {
				t.Errorf("title %q is not Area / View", *d.Title)
			}
			if d.Description == nil || len(*d.Description) < 40 {
				t.Error("does not say what it is for")
			}
			if *d.Editable {
				t.Error("can be edited; changes would be lost at the next provisioning")
			}
			if !slices.Contains(d.Tags, "sluice") || len(d.Tags) < 2 {
				t.Errorf("tags %q lack the common one, or one of its own", d.Tags)
			}
			if every, err := time.ParseDuration(*d.Refresh); err != nil || every < 30*time.Second {
				t.Errorf("refreshes every %s", *d.Refresh)
			}
			if !strings.HasPrefix(d.Time.From, "now-") || d.Time.To != "now" {
				t.Errorf("shows a fixed time: %v", d.Time)
			}
			if len(d.Links) == 0 || !slices.Contains(d.Links[0].Tags, "sluice") || !d.Links[0].KeepTime {
				t.Error("does not link to its siblings by tag, with time")
			}
			if len(d.Annotations.List) == 0 {
				t.Error("has no list of annotations")
			}
			lintVariables(t, d.Templating.List)
			lintLayout(t, d)
			for _, p := range panels(d) {
				lintPanel(t, p)
			}
		})
	}
}

func lintVariables(t *testing.T, list []dashboard.VariableModel) {
	byName := map[string]dashboard.VariableModel{}
	for _, v := range list {
		byName[v.Name] = v
		if v.Label == nil || *v.Label == "" {
			t.Errorf("variable %s has no label", v.Name)
		}
		if v.Type != dashboard.VariableTypeQuery {
			continue
		}
		if !*v.Multi || !*v.IncludeAll || v.AllValue == nil || *v.AllValue != ".+" {
			t.Errorf("variable %s does not let one choose many and all", v.Name)
		}
		if v.Refresh == nil || *v.Refresh != dashboard.VariableRefreshOnTimeRangeChanged {
			t.Errorf("variable %s keeps old values when the time range changes", v.Name)
		}
		if ref := *v.Datasource.Uid; ref != "${datasource}" && ref != "${loki_datasource}" {
			t.Errorf("variable %s asks the data source %s", v.Name, ref)
		}
	}
	for name, plugin := range map[string]string{"datasource": "prometheus", "loki_datasource": "loki"} {
		if v := byName[name]; v.Type != dashboard.VariableTypeDatasource || *v.Query.String != plugin {
			t.Errorf("there is no variable %s for a data source of type %s", name, plugin)
		}
	}
	for _, name := range []string{"job", "instance"} {
		if byName[name].Type != dashboard.VariableTypeQuery {
			t.Errorf("there is no variable %s", name)
		}
	}
}

// lintLayout finds panels that lie over each other or beside the grid, and ids given twice.
func lintLayout(t *testing.T, d dashboard.Dashboard) {
	taken, ids := map[[2]uint32]string{}, map[uint32]bool{}
	for _, p := range d.Panels {
		var title string
		var id *uint32
		var g *dashboard.GridPos
		if p.Panel != nil {
			title, id, g = *p.Panel.Title, p.Panel.Id, p.Panel.GridPos
		} else {
			title, id, g = *p.RowPanel.Title, &p.RowPanel.Id, p.RowPanel.GridPos
		}
		if id == nil || ids[*id] {
			t.Errorf("%q has no id of its own", title)
			continue
		}
		ids[*id] = true
		if g.W == 0 || g.H == 0 || g.X+g.W > 24 {
			t.Errorf("%q lies beside the grid: %+v", title, *g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if taken[[2]uint32{x, y}] != "" {
					t.Fatalf("%q lies over %q", title, taken[[2]uint32{x, y}])
				}
				taken[[2]uint32{x, y}] = title
			}
		}
	}
}

func lintPanel(t *testing.T, p dashboard.Panel) {
	title := *p.Title
	if title == "" {
		t.Errorf("panel %d has no title", *p.Id)
	}
	if p.Description == nil || len(*p.Description) < 20 || !strings.HasSuffix(*p.Description, ".") {
		t.Errorf("%q does not say what it shows", title)
	}
	if u := p.FieldConfig.Defaults.Unit; u == nil || *u == "" {
		t.Errorf("%q has no unit", title)
	}
	if len(p.Targets) == 0 {
		t.Errorf("%q asks nothing", title)
	}
	if ref := *p.Datasource.Uid; ref != "${datasource}" && ref != "${loki_datasource}" {
		t.Errorf("%q asks the data source %s, not the one of a variable", title, ref)
	}
}

// wide are the metrics that are not limited to the chosen jobs and instances, with the reason.
var wide = map[string]string{
	"up":                                    "targets have jobs of their own",
	"scrape_duration_seconds":               "targets have jobs of their own",
	"scrape_samples_post_metric_relabeling": "targets have jobs of their own",
	"scrape_series_added":                   "targets have jobs of their own",
}

// whole are the panels that show a counter and not its rate, with the reason.
var whole = map[string]string{
	"Dropped since start":            "a rate does not show the first drop, with which the series appears",
	"Dropped by reason, since start": "a rate does not show the first drop, with which the series appears",
	"The ledger":                     "the column is the number since the start",
}

var counter = regexp.MustCompile(`_(total|sum|count|bucket)$`)

// TestPromQL parses every PromQL expression as Grafana sends it and holds its selectors to the conventions.
func TestPromQL(t *testing.T) {
	c := everything()
	c["job"], c["instance"], c["__rate_interval"] = "JOB", "INSTANCE", "4m3s"
	p := parser.NewParser(parser.Options{})
	for _, q := range append(queries(t), others(t)...) {
		if q.logs || q.kind == "variable" {
			continue
		}
		expr, err := p.ParseExpr(c.in(t, q.expr))
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		parser.Inspect(expr, func(n parser.Node, path []parser.Node) error {
			if s, ok := n.(*parser.VectorSelector); ok {
				lintSelector(t, q, s, path)
			}
			if m, ok := n.(*parser.MatrixSelector); ok && m.Range != 4*time.Minute+3*time.Second {
				t.Errorf("%s: a range that is not $__rate_interval", q)
			}
			return nil
		})
		if q.kind != "annotation" {
			lintLegend(t, q)
		}
	}
}

func lintSelector(t *testing.T, q asked, s *parser.VectorSelector, path []parser.Node) {
	var job, instance bool
	for _, m := range s.LabelMatchers {
		job = job || m.String() == `job=~"JOB"`
		instance = instance || m.String() == `instance=~"INSTANCE"`
	}
	if (!job || !instance) && wide[s.Name] == "" {
		t.Errorf("%s: %s is not limited to $job and $instance", q, s.Name)
	}
	if counter.MatchString(s.Name) && whole[q.where] == "" {
		if !rated(path) {
			t.Errorf("%s: the counter %s without a rate", q, s.Name)
		}
	}
}

// rated reports whether the selector at the end of path is under a rate, or only counted.
func rated(path []parser.Node) bool {
	for i := len(path) - 1; i >= 0; i-- {
		switch n := path[i].(type) {
		case *parser.Call:
			return n.Func.Name == "rate" || n.Func.Name == "increase"
		case *parser.AggregateExpr:
			return n.Op == parser.COUNT
		}
	}
	return false
}

// lintLegend: a line is named by its labels, never by the whole series.
func lintLegend(t *testing.T, q asked) {
	if q.legend == "" || q.legend == "__auto" {
		t.Errorf("%s: no legend", q)
	}
}

// TestLogQL parses every LogQL expression with the store's own parser.
func TestLogQL(t *testing.T) {
	n := 0
	for _, q := range queries(t) {
		if !q.logs {
			continue
		}
		n++
		e, err := logql.Parse(everything().in(t, q.expr))
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		if _, lines := e.(*logql.LogExpr); lines != (q.kind == "logs") {
			t.Errorf("%s: a panel of type %s cannot show this", q, q.kind)
		}
		if lines := q.kind == "logs"; !lines && !strings.Contains(q.expr, "[$__auto]") {
			t.Errorf("%s: a range that is not $__auto", q)
		}
		lintLegend(t, q)
	}
	if n == 0 {
		t.Error("no dashboard shows logs")
	}
}
