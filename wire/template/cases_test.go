package template

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/wire"
)

// TestCases plays testdata/*.txtar: files "settings" (optional; YAML), "scrape" or "scrape openmetrics" or "fail", in
// their order, each followed by "want", the request that it gives. With UPDATE_CASES=1 the wanted files are rewritten.
func TestCases(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no cases", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { playCase(t, name) })
	}
}

func playCase(t *testing.T, name string) {
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	set := settings()
	tpl := New(set)
	now := time.UnixMilli(1_700_000_000_000)
	got := ""
	for i := range a.Files {
		f := &a.Files[i]
		in := Input{Time: now, ContentType: textType, Body: append([]byte(nil), f.Data...)}
		switch f.Name {
		case "settings":
			tpl = New(readSettings(t, set, f.Data))
			continue
		case "want":
			if os.Getenv("UPDATE_CASES") != "" {
				f.Data = []byte(got)
			}
			if string(f.Data) != got {
				t.Errorf("got\n%s\nwant\n%s", got, f.Data)
			}
			continue
		case "scrape":
		case "scrape openmetrics":
			in.ContentType = openType
		case "fail":
			in.Body, in.Err = nil, ErrInvalid
		default:
			t.Fatalf("what is %q?", f.Name)
		}
		res := tpl.Scrape(in)
		req := tpl.AppendRequest(nil)
		decode(t, req)
		got = dump(req)
		if res.Err != nil {
			got += "error: " + res.Err.Error() + "\n"
		}
		now = now.Add(15 * time.Second)
	}
	if os.Getenv("UPDATE_CASES") != "" {
		if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readSettings(t *testing.T, s Settings, text []byte) Settings {
	var y struct {
		HonorLabels    bool              `yaml:"honor_labels"`
		SampleLimit    int               `yaml:"sample_limit"`
		ExtraMetrics   bool              `yaml:"extra_scrape_metrics"`
		MetricRelabel  []*relabel.Config `yaml:"metric_relabel_configs"`
		External       map[string]string `yaml:"external_labels"`
		TrackStaleness bool              `yaml:"track_timestamps_staleness"`
	}
	if err := yaml.Unmarshal(text, &y); err != nil {
		t.Fatal(err)
	}
	s.HonorLabels, s.SampleLimit, s.ExtraMetrics, s.TrackStaleness = y.HonorLabels, y.SampleLimit, y.ExtraMetrics, y.TrackStaleness
	s.Relabel = rules(y.MetricRelabel...)
	s.External = labelsOf(y.External)
	return s
}

// dump writes a request for people; the synthetic series in one line.
func dump(req []byte) string {
	var b strings.Builder
	for rs := wire.Request(req).Resources(); rs.Next(); {
		fmt.Fprintf(&b, "resource%s\n", dumpAttributes(wire.ResourceAttributes(rs.Resource())))
		for ss := rs.Scopes(); ss.Next(); {
			sc := wire.ParseScope(ss.Scope())
			fmt.Fprintf(&b, "scope %s%s\n", filepath.Base(string(sc.Name)), dumpAttributes(sc.Attributes()))
			var report []string
			for it := ss.Items(); it.Next(); {
				m := wire.ParseMetric(it.Bytes())
				if name := string(m.Name); name == "up" || strings.HasPrefix(name, "scrape_") {
					for ps := m.Points(); ps.Next(); {
						p := wire.ParseNumberPoint(ps.Bytes())
						report = append(report, fmt.Sprintf("%s%s %v", name, dumpAttributes(p.Attributes()), p.Double))
					}
					continue
				}
				dumpMetric(&b, m)
			}
			b.WriteString(strings.Join(report, ", ") + "\n")
		}
	}
	return b.String()
}

func dumpMetric(b *strings.Builder, m wire.Metric) {
	kinds := map[wire.MetricType]string{wire.MetricGauge: "gauge", wire.MetricSum: "sum", wire.MetricHistogram: "histogram", wire.MetricSummary: "summary"}
	kind := kinds[m.Type]
	if m.Temporality == 2 {
		kind += " cumulative"
	}
	if m.Monotonic {
		kind += " monotonic"
	}
	typ, _ := m.Metadata().Find("prometheus.type")
	fmt.Fprintf(b, "%s: %s, prometheus.type %s", m.Name, kind, typ.AppendText(nil))
	if len(m.Description) > 0 {
		fmt.Fprintf(b, ", help %q", m.Description)
	}
	if len(m.Unit) > 0 {
		fmt.Fprintf(b, ", unit %s", m.Unit)
	}
	b.WriteString("\n")
	for ps := m.Points(); ps.Next(); {
		switch m.Type {
		case wire.MetricHistogram:
			p := wire.ParseHistogramPoint(ps.Bytes())
			fmt.Fprintf(b, "  %s count %d sum %v buckets%s", strings.TrimSpace("@"+when(p.Time)+flags(p.Flags)+dumpAttributes(p.Attributes())), p.Count, p.Sum, dumpBuckets(&p))
			dumpExemplars(b, p.Exemplars())
		case wire.MetricSummary:
			p := wire.ParseSummaryPoint(ps.Bytes())
			fmt.Fprintf(b, "  %s count %d sum %v", strings.TrimSpace("@"+when(p.Time)+flags(p.Flags)+dumpAttributes(p.Attributes())), p.Count, p.Sum)
			for qs := p.Quantiles(); qs.Next(); {
				fmt.Fprintf(b, " %v=%v", qs.Quantile(), qs.Value())
			}
		default:
			p := wire.ParseNumberPoint(ps.Bytes())
			v := fmt.Sprint(p.Double)
			if p.Flags == 1 && math.IsNaN(p.Double) {
				v = "stale"
			}
			fmt.Fprintf(b, "  %s %s", strings.TrimSpace("@"+when(p.Time)+flags(p.Flags)+dumpAttributes(p.Attributes())), v)
			dumpExemplars(b, p.Exemplars())
		}
		b.WriteString("\n")
	}
}

func when(ns uint64) string { return fmt.Sprint(int64(ns)/1e6 - 1_700_000_000_000) }

func flags(f uint32) string {
	if f == 1 {
		return " no-recorded-value"
	}
	return ""
}

func dumpAttributes(as wire.Attributes) string {
	var parts []string
	for as.Next() {
		parts = append(parts, fmt.Sprintf("%s=%q", as.Key(), as.Value().AppendText(nil)))
	}
	if len(parts) == 0 {
		return ""
	}
	return " {" + strings.Join(parts, " ") + "}"
}

func dumpBuckets(p *wire.HistogramPoint) string {
	var b strings.Builder
	for i := range p.BucketCounts.Len() {
		le := "+Inf"
		if i < p.ExplicitBounds.Len() {
			le = fmt.Sprint(p.ExplicitBounds.At(i))
		}
		fmt.Fprintf(&b, " le=%s:%d", le, p.BucketCounts.At(i))
	}
	return b.String()
}

func dumpExemplars(b *strings.Builder, es wire.Exemplars) {
	for es.Next() {
		e := es.Exemplar()
		fmt.Fprintf(b, "\n    exemplar @%s %v%s", when(e.Time), e.Value(), dumpAttributes(e.Attributes()))
		if len(e.TraceID) > 0 {
			fmt.Fprintf(b, " trace %x", e.TraceID)
		}
		if len(e.SpanID) > 0 {
			fmt.Fprintf(b, " span %x", e.SpanID)
		}
	}
}

func labelsOf(m map[string]string) labels.Labels { return labels.FromMap(m) }
