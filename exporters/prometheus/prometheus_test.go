package prometheus

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	exemplarlib "github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire/prom"
)

var update = flag.Bool("update", false, "write what is exposed into the cases")

const (
	acceptText        = "text/plain;version=0.0.4"
	acceptOpenMetrics = "application/openmetrics-text;version=1.0.0"
	acceptProtobuf    = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

func newExporter(t testing.TB, change func(*Config)) (*Exporter, *ledger.Ledger) {
	t.Helper()
	s, books := pipelinetest.Settings(t, pipeline.KindExporter, "prometheus")
	c := Default()
	c.NetAddr.Endpoint = "127.0.0.1:0"
	if change != nil {
		change(c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	e, err := New(s, c)
	if err != nil {
		t.Fatal(err)
	}
	return e.(*Exporter), books
}

func batch(t testing.TB, m pmetric.Metrics) pipeline.Batch {
	t.Helper()
	b, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(m)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Metrics, Request: b, Items: m.DataPointCount()}
}

func consume(t testing.TB, e *Exporter, m pmetric.Metrics) {
	t.Helper()
	if err := e.settings.Entrance(pipeline.Metrics, e).Consume(t.Context(), batch(t, m)); err != nil {
		t.Fatal(err)
	}
}

func scrape(e *Exporter, accept string) (body []byte, contentType string) {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	e.serve(w, r)
	return w.Body.Bytes(), w.Header().Get("Content-Type")
}

// TestCases: the section "in" is OTLP/JSON, one request a line; "config" is YAML.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sections := map[string][]byte{}
			for _, f := range a.Files {
				sections[f.Name] = f.Data
			}
			e, _ := newExporter(t, func(c *Config) {
				var keys struct {
					Namespace   string            `yaml:"namespace"`
					ConstLabels map[string]string `yaml:"const_labels"`
					Timestamps  bool              `yaml:"send_timestamps"`
					OpenMetrics bool              `yaml:"enable_open_metrics"`
					Suffixes    *bool             `yaml:"add_metric_suffixes"`
					Strategy    prom.Strategy     `yaml:"translation_strategy"`
					Resource    bool              `yaml:"resource"`
				}
				if err := yaml.Unmarshal(sections["config"], &keys); err != nil {
					t.Fatal(err)
				}
				c.Namespace, c.ConstLabels, c.SendTimestamps, c.EnableOpenMetrics = keys.Namespace, keys.ConstLabels, keys.Timestamps, keys.OpenMetrics
				c.ResourceToTelemetry.Enabled, c.TranslationStrategy = keys.Resource, keys.Strategy
				if keys.Suffixes != nil {
					c.AddMetricSuffixes = *keys.Suffixes
				}
			})
			for line := range bytes.Lines(sections["in"]) {
				m, err := (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics(line)
				if err != nil {
					t.Fatal(err)
				}
				consume(t, e, m)
			}
			for i, f := range a.Files {
				accept, is := map[string]string{"text": acceptText, "openmetrics": acceptOpenMetrics}[f.Name]
				if !is {
					continue
				}
				got, _ := scrape(e, accept)
				families := map[string]bool{}
				for line := range strings.Lines(string(got)) {
					if words := strings.Fields(line); len(words) == 4 && words[1] == "TYPE" {
						if families[words[2]] {
							t.Errorf("%s: the family %s stands there twice", f.Name, words[2])
						}
						families[words[2]] = true
					}
				}
				if *update {
					a.Files[i].Data = got
				} else if !bytes.Equal(got, f.Data) {
					t.Errorf("%s is\n%s\nwant\n%s", f.Name, got, f.Data)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// everything is one metric of each kind, in a resource.
func everything(at time.Time) pmetric.Metrics {
	m := pmetric.NewMetrics()
	rm := m.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	rm.Resource().Attributes().PutStr("service.instance.id", "a\n\"b\"\\c")
	rm.Resource().Attributes().PutStr("region", "eu")
	ms := rm.ScopeMetrics().AppendEmpty().Metrics()
	now := pcommon.NewTimestampFromTime(at)
	named := func(name, unit string) pmetric.Metric {
		x := ms.AppendEmpty()
		x.SetName(name)
		x.SetUnit(unit)
		x.SetDescription("What \"it\" is,\nin two lines \\")
		return x
	}
	point := func(p pmetric.NumberDataPoint, v float64, path string) {
		p.SetTimestamp(now)
		p.SetDoubleValue(v)
		p.Attributes().PutStr("path", path)
	}
	g := named("temperature", "Cel").SetEmptyGauge()
	for i, v := range []float64{1.5, math.Inf(1), math.Inf(-1), math.NaN(), -0.0, 1e21} {
		point(g.DataPoints().AppendEmpty(), v, fmt.Sprint("/", i))
	}
	s := named("requests", "1").SetEmptySum()
	s.SetIsMonotonic(true)
	s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := s.DataPoints().AppendEmpty()
	point(p, 42, "/")
	x := p.Exemplars().AppendEmpty()
	x.SetDoubleValue(1)
	x.SetTimestamp(now)
	x.SetTraceID(pcommon.TraceID{1, 2, 3})
	h := named("latency", "s").SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for _, path := range []string{"/b", "/a"} {
		hp := h.DataPoints().AppendEmpty()
		hp.SetTimestamp(now)
		hp.Attributes().PutStr("path", path)
		hp.ExplicitBounds().FromRaw([]float64{0.1, 1, 10})
		hp.BucketCounts().FromRaw([]uint64{1, 2, 3, 4})
		hp.SetCount(10)
		hp.SetSum(33.5)
		y := hp.Exemplars().AppendEmpty()
		y.SetDoubleValue(0.5)
		y.SetTimestamp(now)
		y.SetTraceID(pcommon.TraceID{4, 5, 6})
	}
	q := named("size", "By").SetEmptySummary().DataPoints().AppendEmpty()
	q.SetTimestamp(now)
	q.SetCount(3)
	q.SetSum(9)
	for _, f := range []float64{0.99, 0.5} {
		v := q.QuantileValues().AppendEmpty()
		v.SetQuantile(f)
		v.SetValue(10 * f)
	}
	n := named("native", "s").SetEmptyExponentialHistogram()
	n.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	np := n.DataPoints().AppendEmpty()
	np.SetTimestamp(now)
	np.SetScale(3)
	np.SetCount(9)
	np.SetSum(12.5)
	np.SetZeroCount(1)
	np.Positive().SetOffset(-2)
	np.Positive().BucketCounts().FromRaw([]uint64{1, 0, 3})
	np.Negative().SetOffset(4)
	np.Negative().BucketCounts().FromRaw([]uint64{4})
	return m
}

// parsed reads an exposition with Prometheus' own parser: values, native histograms and exemplars by series.
func parsed(t *testing.T, body []byte, contentType string) (values map[string]float64, natives, exemplars map[string]string) {
	t.Helper()
	p, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: "text/plain"})
	if err != nil {
		t.Fatal(contentType, err)
	}
	values, natives, exemplars = map[string]float64{}, map[string]string{}, map[string]string{}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return values, natives, exemplars
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", contentType, err, body)
		}
		var l labels.Labels
		switch entry {
		case textparse.EntrySeries:
			_, _, v := p.Series()
			p.Labels(&l)
			values[l.String()] = v
		case textparse.EntryHistogram:
			_, _, h, _ := p.Histogram()
			p.Labels(&l)
			natives[l.String()] = h.String()
		default:
			continue
		}
		for e := textparseExemplar(p); e != ""; e = textparseExemplar(p) {
			exemplars[l.String()] = e
		}
	}
}

// TestFormatsAgree: Prometheus' parsers read the same out of each format.
func TestFormatsAgree(t *testing.T) {
	e, books := newExporter(t, func(c *Config) {
		c.EnableOpenMetrics, c.Namespace, c.ConstLabels = true, "ns", map[string]string{"zone": "x"}
	})
	consume(t, e, everything(time.Now()))
	text, _, _ := parsed(t, first(scrape(e, acceptText)), acceptText)
	open, _, openExemplars := parsed(t, first(scrape(e, acceptOpenMetrics)), acceptOpenMetrics)
	proto, natives, protoExemplars := parsed(t, first(scrape(e, acceptProtobuf)), acceptProtobuf)
	if len(text) < 25 {
		t.Errorf("only %d series: %v", len(text), text)
	}
	same := func(what string, got map[string]float64) {
		t.Helper()
		for series, v := range text {
			if strings.Contains(series, "ns_native") {
				continue
			}
			if w, ok := got[series]; !ok || math.Float64bits(v) != math.Float64bits(w) && !(v == w || math.IsNaN(v) && math.IsNaN(w)) {
				t.Errorf("%s: %s is %v, %t; in text it is %v", what, series, w, ok, v)
			}
		}
	}
	same("OpenMetrics", open)
	same("protobuf", proto)
	if text[`{__name__="ns_native_seconds_count", instance="a\n\"b\"\\c", job="shop", zone="x"}`] != 9 {
		t.Errorf("text says of the native histogram: %v", slices.DeleteFunc(keys(text), func(k string) bool { return !strings.Contains(k, "native") }))
	}
	if h := natives[`{__name__="ns_native_seconds", instance="a\n\"b\"\\c", job="shop", zone="x"}`]; !strings.Contains(h, "count:9") || !strings.Contains(h, "sum:12.5") || !strings.Contains(h, "]:3") {
		t.Errorf("the native histogram is %q of %v", h, natives)
	}
	for what, x := range map[string]map[string]string{"OpenMetrics": openExemplars, "protobuf": protoExemplars} {
		if len(x) != 3 || !strings.Contains(fmt.Sprint(x), "trace_id") {
			t.Errorf("exemplars in %s: %v", what, x)
		}
	}
	if n := books.Unaccounted(); n != 0 {
		t.Errorf("%d items unaccounted for", n)
	}
}

func first(b []byte, _ string) []byte { return b }

func keys(m map[string]float64) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func aGauge(name string, value float64, at time.Time, attributes ...string) pmetric.Metrics {
	m := pmetric.NewMetrics()
	x := m.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	x.SetName(name)
	p := x.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.NewTimestampFromTime(at))
	p.SetDoubleValue(value)
	for i := 0; i < len(attributes); i += 2 {
		p.Attributes().PutStr(attributes[i], attributes[i+1])
	}
	return m
}

func exposes(t *testing.T, e *Exporter, want string) {
	t.Helper()
	if got, _ := scrape(e, acceptText); string(got) != want {
		t.Errorf("exposed is\n%s\nwant\n%s", got, want)
	}
}

// TestTheLastSampleCounts, by time; a stale marker ends the series.
// TestScopesAreApart: series that differ in their scope only are two, unless the configuration says otherwise; then the second
// one is not lost in silence.
func TestScopesAreApart(t *testing.T) {
	now := time.Now()
	m := aGauge("depth", 1, now)
	other := m.ResourceMetrics().At(0).ScopeMetrics().AppendEmpty()
	aGauge("depth", 2, now).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().CopyTo(other.Metrics())
	other.Scope().SetName("lib2")
	other.Scope().SetVersion("v2")
	other.Scope().Attributes().PutStr("a.b", "c")
	other.SetSchemaUrl("https://example.com/1")

	e, _ := newExporter(t, func(*Config) {})
	consume(t, e, m)
	consume(t, e, m) // sent again
	body := string(first(scrape(e, acceptText)))
	for _, want := range []string{"depth 1\n", `depth{otel_scope_a_b="c",otel_scope_name="lib2",otel_scope_schema_url="https://example.com/1",otel_scope_version="v2"} 2`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	e, books := newExporter(t, func(c *Config) { c.WithoutScopeInfo = true })
	consume(t, e, m)
	for _, s := range books.Read() {
		if s.Signal == pipeline.Metrics && s.Dropped[pipeline.DropDuplicate].Items != 1 {
			t.Errorf("dropped: %v", s.Dropped)
		}
	}
	if books.Unaccounted() != 0 {
		t.Errorf("%d unaccounted for", books.Unaccounted())
	}
	exposes(t, e, "# TYPE depth gauge\ndepth 1\n")
}

func TestTheLastSampleCounts(t *testing.T) {
	e, _ := newExporter(t, nil)
	now := time.Now()
	consume(t, e, aGauge("a", 1, now))
	consume(t, e, aGauge("a", 2, now.Add(-time.Second)))
	exposes(t, e, "# TYPE a gauge\na 1\n")
	consume(t, e, aGauge("a", 3, now.Add(time.Second)))
	consume(t, e, aGauge("b", 4, now))
	exposes(t, e, "# TYPE a gauge\na 3\n# TYPE b gauge\nb 4\n")
	gone := aGauge("a", 0, now.Add(2*time.Second))
	gone.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().At(0).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	consume(t, e, gone)
	consume(t, e, gone)
	exposes(t, e, "# TYPE b gauge\nb 4\n")
	consume(t, e, aGauge("c", 5, now)) // takes the place of a
	consume(t, e, aGauge("a", 6, now))
	exposes(t, e, "# TYPE a gauge\na 6\n# TYPE b gauge\nb 4\n# TYPE c gauge\nc 5\n")
}

// TestExpiry removes what has no samples any more, and counts what nobody scraped.
func TestExpiry(t *testing.T) {
	e, _ := newExporter(t, nil)
	now := time.Now()
	consume(t, e, aGauge("seen", 1, now))
	scrape(e, acceptText)
	consume(t, e, aGauge("unseen", 1, now))
	e.mu.Lock()
	missed := e.table.expire(now.Unix() + 10)
	live := e.table.live
	e.mu.Unlock()
	if missed != 1 || live != 0 {
		t.Errorf("%d were not scraped, %d are left", missed, live)
	}
	exposes(t, e, "")
	consume(t, e, aGauge("seen", 2, now.Add(time.Second)))
	exposes(t, e, "# TYPE seen gauge\nseen 2\n")
}

// TestManySeriesEndAtOnce: a stale marker finds its series without a search, in any order and beside what else removes.
func TestManySeriesEndAtOnce(t *testing.T) {
	const n = 100
	for _, c := range []struct{ families, members int }{{1, n}, {n, 1}, {n / 10, 10}} {
		e, _ := newExporter(t, nil)
		now := time.Now()
		each := func(f func(name, k string, i int)) {
			for i := range c.families * c.members {
				f(fmt.Sprintf("m%02d", i%c.families), strconv.Itoa(i), i)
			}
		}
		each(func(name, k string, _ int) { consume(t, e, aGauge(name, 1, now, "k", k)) })
		e.mu.Lock()
		for i := range e.table.series {
			if i%7 == 3 {
				e.table.series[i].seen = 1
			}
		}
		e.table.expire(2)
		e.mu.Unlock()
		scrape(e, acceptText)
		left := 0
		each(func(name, k string, i int) {
			if i%3 == 0 {
				left++
				consume(t, e, aGauge(name, 1, now.Add(time.Second), "k", k))
				return
			}
			end := aGauge(name, 1, now.Add(time.Second), "k", k)
			p := end.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().At(0)
			p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
			consume(t, e, end)
		})
		text, _ := scrape(e, acceptText)
		if lines := strings.Count(string(text), "{"); lines != left || e.table.live != left {
			t.Errorf("%d lines, %d live, want %d", lines, e.table.live, left)
		}
	}
}

// TestWhatIsNotHeldIsCounted: too many series, a name of two types, deltas that go down too.
func TestWhatIsNotHeldIsCounted(t *testing.T) {
	e, books := newExporter(t, func(c *Config) { c.MaxSeries = 2 })
	now := time.Now()
	consume(t, e, aGauge("a", 1, now, "k", "1"))
	sum := aGauge("a", 1, now, "k", "2")
	x := sum.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
	x.SetEmptySum().DataPoints().AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(now))
	x.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	x.SetEmptySummary().DataPoints().AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(now))
	consume(t, e, sum)
	consume(t, e, aGauge("b", 1, now))
	consume(t, e, aGauge("c", 1, now))
	consume(t, e, aGauge("a", 2, now.Add(time.Second), "k", "1")) // a known one
	delta := aGauge("d", 1, now)
	y := delta.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetEmptySum()
	y.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	y.SetIsMonotonic(false)
	y.DataPoints().AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(now))
	consume(t, e, delta)
	exposes(t, e, "# TYPE a gauge\na{k=\"1\"} 2\n# TYPE b gauge\nb 1\n")
	for _, s := range books.Read() {
		if s.Signal != pipeline.Metrics {
			continue
		}
		if d := s.Dropped; d[pipeline.DropOverflow].Items != 1 || d[pipeline.DropInvalid].Items != 1 || d[pipeline.DropUnsupported].Items != 1 || s.Delivered.Items != 3 {
			t.Errorf("dropped %v, delivered %v", d, s.Delivered)
		}
	}
	if n := books.Unaccounted(); n != 0 {
		t.Errorf("%d items unaccounted for", n)
	}
}

// TestEachReasonIsLogged: one cause does not hide another.
func TestEachReasonIsLogged(t *testing.T) {
	var out bytes.Buffer
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "prometheus")
	s.Log = slog.New(slog.NewTextHandler(&out, nil))
	sink, err := New(s, Default())
	if err != nil {
		t.Fatal(err)
	}
	delta := aGauge("d", 1, time.Now())
	delta.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	delta.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().AppendEmpty()
	for range 3 {
		consume(t, sink.(*Exporter), aGauge("", 1, time.Now()))
		consume(t, sink.(*Exporter), delta)
	}
	if text := out.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "delta temporality") {
		t.Errorf("logged:\n%s", text)
	}
}

// TestAStalledScraperDoesNotHoldUpAStop, which in a reload would refuse all data meanwhile.
func TestAStalledScraperDoesNotHoldUpAStop(t *testing.T) {
	e, _ := newExporter(t, nil)
	for i := range 200 {
		consume(t, e, aGauge(fmt.Sprintf("m%d", i), 1, time.Now(), "long", strings.Repeat("x", 200_000)))
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", e.srv.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := e.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestReload: the series stay, unless their names would be others.
func TestReload(t *testing.T) {
	for _, same := range []bool{true, false} {
		s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "prometheus")
		start := func(namespace string) *Exporter {
			c := Default()
			c.NetAddr.Endpoint, c.Namespace = "127.0.0.1:0", namespace
			s.Metrics = prometheus.NewRegistry()
			e, err := New(s, c)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.(*Exporter).Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			return e.(*Exporter)
		}
		e := start("")
		consume(t, e, aGauge("a", 1, time.Now()))
		s.Estates.Open()
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := "# TYPE a gauge\na 1\n"
		if same {
			e = start("")
		} else {
			e, want = start("other"), ""
		}
		s.Estates.Close()
		exposes(t, e, want)
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestScrapesBesideBatches is for the race detector; over the network, compressed.
func TestScrapesBesideBatches(t *testing.T) {
	e, books := newExporter(t, func(c *Config) { c.EnableOpenMetrics = true })
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	stop := make(chan struct{})
	for g := range 3 {
		done.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					consume(t, e, aGauge(fmt.Sprint("m", i%50), float64(i), time.Now(), "g", fmt.Sprint(g)))
				}
			}
		})
	}
	for range 50 {
		r, err := http.Get("http://" + e.srv.Addr().String() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		parsed(t, body, r.Header.Get("Content-Type"))
	}
	close(stop)
	done.Wait()
	if err := e.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if n := books.Unaccounted(); n != 0 {
		t.Errorf("%d items unaccounted for", n)
	}
}

// TestValidate names each key.
func TestValidate(t *testing.T) {
	c := Default()
	c.Namespace, c.ConstLabels, c.MetricExpiration, c.MaxSeries = "---", map[string]string{"a-b": "x"}, 0, 0
	c.TranslationStrategy = "NoTranslation"
	err := c.Validate()
	for _, key := range []string{"translation_strategy", "endpoint", "namespace", "const_labels", "metric_expiration", "max_series"} {
		if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("nothing about %s in %v", key, err)
		}
	}
}

func many(t testing.TB, n int) pipeline.Batch {
	m := pmetric.NewMetrics()
	x := m.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	x.SetName("disk_io")
	g := x.SetEmptyGauge()
	now := pcommon.NewTimestampFromTime(time.Now())
	for i := range n {
		p := g.DataPoints().AppendEmpty()
		p.SetTimestamp(now)
		p.SetDoubleValue(float64(i) / 3)
		p.Attributes().PutStr("device", fmt.Sprint("device-", i))
		p.Attributes().PutStr("direction", "read")
	}
	return batch(t, m)
}

func BenchmarkConsume(b *testing.B) {
	e, _ := newExporter(b, nil)
	const n = 10_000
	request := many(b, n)
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Consume(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/point")
}

func BenchmarkScrape(b *testing.B) {
	e, _ := newExporter(b, nil)
	const n = 100_000
	if err := e.Consume(b.Context(), many(b, n)); err != nil {
		b.Fatal(err)
	}
	for name, accept := range map[string]string{"text": acceptText, "protobuf": acceptProtobuf} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.Header.Set("Accept", accept)
			b.ReportAllocs()
			for b.Loop() {
				e.serve(&nowhere{}, r)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/series")
		})
	}
}

type nowhere struct{ h http.Header }

func (w *nowhere) Header() http.Header {
	if w.h == nil {
		w.h = http.Header{}
	}
	return w.h
}
func (w *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (w *nowhere) WriteHeader(int)             {}

func textparseExemplar(p textparse.Parser) string {
	var x exemplarlib.Exemplar
	if !p.Exemplar(&x) {
		return ""
	}
	return fmt.Sprint(x.Labels, x.Value, x.Ts)
}
