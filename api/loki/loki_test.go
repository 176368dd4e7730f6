package loki

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/logs"
	"github.com/sluiceio/sluice/store/logs/logql"
	"github.com/sluiceio/sluice/store/logs/logstest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write what the API answers into the cases in testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, logstest.LibraryGoroutines()...) }

// open opens a store, closed with the test, and the API over it.
func open(t testing.TB, dir string, o logs.Options) (*logs.Store, http.Handler) {
	t.Helper()
	settings, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	s, err := logs.Open(settings, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h, err := New(settings, s)
	if err != nil {
		t.Fatal(err)
	}
	return s, h
}

// put appends a batch that has to be taken.
func put(t testing.TB, s *logs.Store, b pipeline.Batch) {
	t.Helper()
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// TestCases runs testdata/*.txtar over a store.
func TestCases(t *testing.T) {
	logstest.Cases(t, *update, func(t *testing.T) logstest.Store {
		s, h := open(t, t.TempDir(), logs.Options{Retention: 50 * 365 * 24 * time.Hour})
		return logstest.Store{Sink: pipeline.SinkFunc(s.Append), Handler: h}
	})
}

// reader is a store that has only an error.
type reader struct {
	Reader
	begin, read error
}

func (r reader) Begin(ctx context.Context) (context.Context, func(), error) {
	return ctx, func() {}, r.begin
}

func (r reader) LabelNames(context.Context, logql.StreamQuery) ([]string, error) {
	return nil, r.read
}

// TestStatus: the status says whose fault an error is, at the beginning and later.
func TestStatus(t *testing.T) {
	for code, err := range map[int]error{
		http.StatusBadRequest:          logql.EvalErrorf("too much"),
		http.StatusGatewayTimeout:      fmt.Errorf("waited: %w", context.DeadlineExceeded),
		http.StatusServiceUnavailable:  fmt.Errorf("the store: %w", fs.ErrClosed),
		statusClientGone:               context.Canceled,
		http.StatusInternalServerError: errors.New("the disk is broken"),
	} {
		for _, r := range []reader{{begin: err}, {read: err}} {
			settings, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
			h, failed := New(settings, r)
			if failed != nil {
				t.Fatal(failed)
			}
			if got, body := logstest.Get(t.Context(), h, "labels"); got != code || body != err.Error()+"\n" {
				t.Errorf("%v: %d %q, want %d", err, got, body, code)
			}
		}
	}
}

// TestClosed: a store that is closed is not available.
func TestClosed(t *testing.T) {
	s, h := open(t, t.TempDir(), logs.Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if code, body := logstest.Get(t.Context(), h, "labels"); code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", code, body)
	}
}

// TestLimits: too much is an answer of 400 that says what to do, at once and without the memory it would take.
func TestLimits(t *testing.T) {
	s, api := open(t, t.TempDir(), logs.Options{MaxResultBytes: 4 << 20})
	now := time.Now().Add(-time.Minute)
	put(t, s, logstest.Many(t, 1500, now, func(i int, r plog.LogRecord) {
		r.Attributes().PutInt("n", int64(i))
		r.Body().SetStr(strings.Repeat("x", 4000))
	}))
	hour := strconv.FormatInt(now.Add(-time.Hour).UnixNano(), 10)
	f := func(code int, want, path string, params ...string) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, body := logstest.Get(t.Context(), api, path, params...)
		runtime.ReadMemStats(&after)
		if got != code || !strings.Contains(body, want) {
			t.Errorf("%s %v: %d %.300s; want %d %s", path, params, got, body, code, want)
		}
		if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 100<<20 {
			t.Errorf("%s %v took %d MiB", path, params, grown>>20)
		}
	}
	f(400, "maximum of series (1000) reached", "query", "query", `count_over_time({service_name="svc"}[1h])`)
	f(400, "maximum of series (1000) reached", "query", "query", `topk(5, sum by (n) (count_over_time({service_name="svc"}[1h])))`)
	f(200, `"1500"`, "query", "query", `sum(count_over_time({service_name="svc"}[1h]))`)
	f(200, `"999"`, "query", "query", `count(sum by (n) (count_over_time({service_name="svc"} | n < 999 [1h])))`)
	f(400, "use a longer step", "query_range", "query", `sum by (n) (count_over_time({service_name="svc"} | n < 500 [1h]))`,
		"start", hour, "step", "1s")
	f(200, "matrix", "query_range", "query", `sum(count_over_time({service_name="svc"}[20y]))`, "start", "1", "end", "4000000000", "step", "1000000")
	f(200, "matrix", "query_range", "query", `sum by (n) (rate({service_name="svc"} | n < 3 [1s]))`, "start", hour, "step", "1s")
	f(400, "exceeded maximum resolution", "query_range", "query", `sum(rate({service_name="svc"}[1s]))`, "start", "0", "step", "1s")
	for _, step := range []string{"x", "-5", "0"} {
		f(400, "step", "query_range", "query", `{service_name="svc"}`, "step", step)
	}
	f(400, "need more than 4194304 bytes", "query_range", "query", `{service_name="svc"}`, "limit", "5000")
	f(200, "streams", "query_range", "query", `{service_name="svc"}`, "limit", "500")
	f(200, "streams", "query_range", "query", `{service_name="svc"}`, "limit", "500", "direction", "forward", "start", "0")
}
