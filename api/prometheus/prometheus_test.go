package prometheus

import (
	"flag"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/metrics"
	"github.com/sluiceio/sluice/store/metrics/metricstest"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write what the cases answer into testdata; read the diff")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a store, closed with the test, and the API over it.
func open(t *testing.T, dir string, rules fs.FS) metricstest.Store {
	t.Helper()
	s, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	o := metrics.DefaultOptions()
	o.RulesFS = rules
	st, err := metrics.Open(s, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return metricstest.Store{
		Sink: s.Entrance(pipeline.Metrics, pipeline.SinkFunc(st.Append)), Ledger: ledger,
		Handler: New(s, st, Status{
			Dir: dir, Retention: o.Retention, Lookback: metrics.Lookback, EvaluationInterval: o.EvaluationInterval,
		}),
	}
}

// push appends a gauge m{s="a"} of 1.
func push(t *testing.T, st metricstest.Store) {
	t.Helper()
	b := metricstest.Batch(t, metricstest.Gauge(metricstest.At("a", time.Now(), 1)))
	if err := st.Consume(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// TestCases runs testdata/*.txtar over a store.
func TestCases(t *testing.T) { metricstest.Cases(t, *update, open) }

// TestLongExpressions: what would cost quadratic time is refused, and a long list of names is not that.
func TestLongExpressions(t *testing.T) {
	st := open(t, t.TempDir(), nil)
	push(t, st)
	for _, bad := range []string{
		strings.Repeat("(", 5000) + "m" + strings.Repeat(")", 5000),
		strings.Repeat("m + ", 3000) + "m",
		`m{s="` + strings.Repeat("a", maxFormBytes) + `"}`,
	} {
		if got := metricstest.Instant(st, bad); !strings.HasPrefix(got, "400") {
			t.Errorf("a query of %d bytes answers %.200s", len(bad), got)
		}
	}
	if got := metricstest.Instant(st, `m{s=~"`+strings.Repeat("name|", 10_000)+`a"}`); !strings.Contains(got, `"1"`) {
		t.Errorf("a long list of names answers %.200s", got)
	}
}

// TestUnquoted: what stands in quotes does not count, whichever quotes these are.
func TestUnquoted(t *testing.T) {
	for expr, want := range map[string]int{
		"":                0,
		"m":               1,
		`m{a="x"}`:        6,
		`m{a="x\""}+1`:    8,
		"m{a=`\\`}+1":     8,
		`"open`:           1,
		`{'a'="b",c="d"}`: 9,
	} {
		if got := unquoted(expr); got != want {
			t.Errorf("unquoted(%s) = %d, want %d", expr, got, want)
		}
	}
}

// TestStatus checks what cannot stand in a case because it differs from run to run.
func TestStatus(t *testing.T) {
	st := open(t, t.TempDir(), nil)
	push(t, st)
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	// Prometheus 3.13.2 is the module v0.313.2.
	major, rest, _ := strings.Cut(libraryVersion, ".")
	minor, patch, _ := strings.Cut(rest, ".")
	if want := fmt.Sprintf("github.com/prometheus/prometheus v0.%s%s.%s", major, minor, patch); !strings.Contains(string(mod), want) {
		t.Errorf("go.mod has no %q; set libraryVersion to what it has", want)
	}
	for path, want := range map[string]string{
		"status/buildinfo":    `"version":"` + libraryVersion + `"`,
		"status/runtimeinfo":  `"storageRetention":"168h0m0s"`,
		"status/config":       "evaluation_interval: 15s",
		"status/tsdb":         `"chunkCount":1,`,
		"status/tsdb/blocks":  `"blocks":[]`,
		"status/walreplay":    `"success"`,
		"alertmanagers":       `"activeAlertmanagers":[]`,
		"scrape_pools":        `"scrapePools"`,
		"parse_query?query=m": `"vectorSelector"`,
	} {
		if got := metricstest.Ask(st, httptest.NewRequest("GET", "/api/v1/"+path, nil)); !strings.Contains(got, want) {
			t.Errorf("%s: no %s in %s", path, want, got)
		}
	}
	r := httptest.NewRequest("GET", "/api/v1/query?query=m", nil)
	r.Header.Set("Origin", "http://elsewhere.example")
	w := httptest.NewRecorder()
	st.ServeHTTP(w, r)
	if h := w.Header(); h.Get("Access-Control-Allow-Origin") != "" || h.Get("Content-Security-Policy") == "" {
		t.Errorf("headers for another origin: %v", h)
	}
}
