package dashboards_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// grafana queries the store as Grafana's data sources do.
type grafana struct{ store string }

// answer has the common fields of Prometheus' and Loki's answers.
type answer struct {
	Status string `json:"status"`
	Data   struct {
		ResultType string   `json:"resultType"`
		Result     []series `json:"result"`
	} `json:"data"`
}

type series struct {
	Metric map[string]string `json:"metric"`
	Stream map[string]string `json:"stream"`
	Value  []any             `json:"value"`
	Values [][]any           `json:"values"`
}

// labels are those of a series or a stream.
func (s series) labels() map[string]string {
	if s.Stream != nil {
		return s.Stream
	}
	return s.Metric
}

// last is the newest value, if there is one that can be drawn.
func (s series) last() (float64, bool) {
	values := s.Values
	if s.Value != nil {
		values = [][]any{s.Value}
	}
	for _, v := range slices.Backward(values) {
		if text, ok := v[1].(string); ok && s.Stream == nil {
			if f, err := strconv.ParseFloat(text, 64); err == nil && f == f {
				return f, true
			}
		}
	}
	return 0, false
}

func (g grafana) get(path string, form url.Values, into any) error {
	resp, err := http.Get(g.store + path + "?" + form.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return json.Unmarshal(body, into)
}

var errNothing = errors.New("no data")

const shown = time.Minute

// slack is the tolerance around 0 and 1, because scrape intervals vary.
const slack = 0.1

// ask runs one query. It fails without data, with values outside of the panel's axis, or if a legend names an unknown
// label.
func (g grafana) ask(t *testing.T, q asked, c chosen) error {
	t.Helper()
	if q.kind == "variable" {
		values, err := g.values(t, q, c)
		if err == nil && len(values) == 0 {
			err = errNothing
		}
		return err
	}
	var a answer
	expr, now := c.in(t, q.expr), time.Now()
	var err error
	switch {
	case q.logs:
		err = g.get("/loki/api/v1/query_range", url.Values{
			"query": {expr}, "start": {strconv.FormatInt(now.Add(-shown).UnixNano(), 10)},
			"end": {strconv.FormatInt(now.UnixNano(), 10)}, "step": {"10"}, "limit": {"100"}, "direction": {"backward"},
		}, &a)
	case q.instant:
		err = g.get("/api/v1/query", url.Values{"query": {expr}, "time": {seconds(now)}}, &a)
	default:
		err = g.get("/api/v1/query_range", url.Values{
			"query": {expr}, "start": {seconds(now.Add(-shown))}, "end": {seconds(now)}, "step": {"5"},
		}, &a)
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(a.Data.Result, func(s series) bool { _, ok := s.last(); return ok || len(s.Stream) > 0 && len(s.Values) > 0 }) {
		return errNothing
	}
	for _, s := range a.Data.Result {
		if v, ok := s.last(); ok && (v < q.min-slack || v > q.max+slack) {
			return fmt.Errorf("%g is not between %g and %g", v, q.min, q.max)
		}
	}
	return legendIn(q, a.Data.Result)
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

var placeholder = regexp.MustCompile(`{{\s*([a-zA-Z_]+)\s*}}`)

// legendIn reports the labels of a legend that no series has.
func legendIn(q asked, result []series) error {
	for _, m := range placeholder.FindAllStringSubmatch(q.legend, -1) {
		if !slices.ContainsFunc(result, func(s series) bool { return s.labels()[m[1]] != "" }) {
			return fmt.Errorf("the legend names %q, which no series has", m[1])
		}
	}
	return nil
}

var labelValues = regexp.MustCompile(`^label_values\((?:(.*), )?([a-z_]+)\)$`)

// values are those of a query variable.
func (g grafana) values(t *testing.T, q asked, c chosen) ([]string, error) {
	t.Helper()
	m := labelValues.FindStringSubmatch(q.expr)
	if m == nil {
		return nil, fmt.Errorf("%q is not label_values(selector, label)", q.expr)
	}
	form, path := url.Values{}, "/api/v1/label/"+m[2]+"/values"
	if m[1] != "" {
		form.Set("match[]", c.in(t, m[1]))
	}
	if q.logs {
		path = "/loki" + path
	}
	var a struct{ Data []string }
	err := g.get(path, form, &a)
	return a.Data, err
}

// choose picks every value of a dashboard's variables by name, as a list with escaped characters.
func (g grafana) choose(t *testing.T, board string, all chosen) chosen {
	t.Helper()
	names := map[string][]string{}
	for _, q := range others(t) {
		if name, ok := strings.CutPrefix(q.where, "variable "); ok && q.board == board {
			values, err := g.values(t, q, all)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				names[name] = append(names[name], strings.ReplaceAll(regexp.QuoteMeta(v), `\`, `\\`))
			}
		}
	}
	out := chosen{}
	for name, v := range all {
		out[name] = v
	}
	for name, values := range names {
		out[name] = "(" + strings.Join(values, "|") + ")"
	}
	return out
}

// figure is the value of an expression that gives one.
func (g grafana) figure(t *testing.T, expr string) float64 {
	t.Helper()
	var a answer
	if err := g.get("/api/v1/query", url.Values{"query": {expr}}, &a); err != nil || len(a.Data.Result) != 1 {
		t.Fatalf("%s: %v, %d results", expr, err, len(a.Data.Result))
	}
	v, _ := a.Data.Result[0].last()
	return v
}

// checkLabels: metrics have the labels that selectors and groupings name. A misspelt one may return wrong data.
func (g grafana) checkLabels(t *testing.T, c chosen) {
	t.Helper()
	known := map[string][]string{}
	of := func(metric string) []string {
		if _, ok := known[metric]; !ok {
			var a struct{ Data []string }
			if err := g.get("/api/v1/labels", url.Values{"match[]": {metric}}, &a); err != nil {
				t.Fatal(err)
			}
			known[metric] = a.Data
		}
		return known[metric]
	}
	for _, q := range queries(t) {
		if q.logs || excused(q) != "" {
			continue
		}
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(c.in(t, q.expr))
		if err != nil {
			t.Fatal(err)
		}
		grouped, had := map[string]bool{}, map[string]bool{}
		parser.Inspect(expr, func(n parser.Node, path []parser.Node) error {
			s, ok := n.(*parser.VectorSelector)
			if !ok {
				return nil
			}
			for _, m := range s.LabelMatchers {
				if m.Name != labels.MetricName && !slices.Contains(of(s.Name), m.Name) {
					t.Errorf("%s: %s has no label %q", q, s.Name, m.Name)
				}
			}
			for _, name := range of(s.Name) {
				had[name] = true
			}
			for _, p := range path {
				if a, ok := p.(*parser.AggregateExpr); ok {
					for _, name := range a.Grouping {
						grouped[name] = true
					}
				}
			}
			return nil
		})
		for name := range grouped {
			if !had[name] { // one metric of several is enough: groupings are alike so that their results join
				t.Errorf("%s: nothing in it has the label %q", q, name)
			}
		}
	}
}

// checkHealth: a pipeline without drops shows 0, and a missing one nothing.
func (g grafana) checkHealth(t *testing.T, all chosen) {
	t.Helper()
	elsewhere := maps.Clone(all)
	elsewhere["job"] = "another"
	n := 0
	for _, q := range queries(t) {
		if q.where != "Dropped since start" && q.where != "Dropped by reason, since start" {
			continue
		}
		n++
		q.legend, q.max = "{{reason}}", 0 // "nothing dropped"
		if q.where == "Dropped since start" {
			q.legend = "dropped"
		}
		err := errNothing
		for end := time.Now().Add(patience); err != nil && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			err = g.ask(t, q, all)
		}
		if err != nil {
			t.Fatalf("in health: %s: %v", q, err)
		}
		if err := g.ask(t, q, elsewhere); !errors.Is(err, errNothing) {
			t.Errorf("where there is no pipeline: %s: %v", q, err)
		}
	}
	if n != 2 {
		t.Errorf("%d panels about drops", n)
	}
}

// checkRules: the store has loaded the rules, and they evaluate.
func (g grafana) checkRules(t *testing.T) {
	t.Helper()
	var a struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := g.get("/api/v1/rules", nil, &a); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, group := range a.Data.Groups {
		for _, r := range group.Rules {
			n++
			if r.Health == "err" {
				t.Errorf("rule %s: %s", r.Name, r.LastError)
			}
		}
	}
	if n != 5 {
		t.Errorf("the store has %d rules, want 5", n)
	}
}

// checkTargets: the page of targets shows what this process scrapes.
func (g grafana) checkTargets(t *testing.T) {
	t.Helper()
	var a struct {
		Data struct {
			ActiveTargets []struct {
				DiscoveredLabels, Labels      map[string]string
				ScrapePool, ScrapeURL, Health string
				LastScrape                    time.Time
			}
			DroppedTargetCounts map[string]int
		}
	}
	if err := g.get("/api/v1/targets", nil, &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Data.ActiveTargets) != 1 {
		t.Fatalf("%d targets", len(a.Data.ActiveTargets))
	}
	x := a.Data.ActiveTargets[0]
	if x.ScrapePool != "sluice" || x.Health != "up" || x.Labels["job"] != "sluice" || x.DiscoveredLabels["__address__"] == "" || x.Labels["instance"] == "" ||
		!strings.HasSuffix(x.ScrapeURL, "/metrics") || time.Since(x.LastScrape) > time.Minute {
		t.Errorf("target %+v", x)
	}
}
