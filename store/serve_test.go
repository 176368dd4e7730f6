package store

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/logs/logstest"
	"github.com/sluiceio/sluice/store/metrics/metricstest"
	"github.com/sluiceio/sluice/store/traces/tracestest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// running starts a store with the given change of the defaults; it is stopped with the test.
func running(t *testing.T, change func(*Config)) (e *Exporter, address string) {
	t.Helper()
	cfg := Default()
	cfg.Endpoint, cfg.Directory = "127.0.0.1:0", t.TempDir()
	if change != nil {
		change(cfg)
	}
	set, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	sink, err := New(set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	e = sink.(*Exporter)
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return e, "http://" + e.srv.Addr().String()
}

// batches is one of each signal, each with many of something.
func batches(t *testing.T, many int) []pipeline.Batch {
	now := time.Now()
	var points []metricstest.Point
	for i := range many {
		points = append(points, metricstest.At(fmt.Sprint("series-", i), now, 1))
	}
	lines := logstest.Many(t, many, now.Add(-time.Minute), func(i int, r plog.LogRecord) { r.Body().SetStr(fmt.Sprint("line ", i)) })
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for i := range many {
		s := spans.AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1, byte(i >> 8), byte(i)})
		s.SetSpanID(pcommon.SpanID{1, byte(i >> 8), byte(i)})
		s.SetName(fmt.Sprint("span-", i))
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(now))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(now))
	}
	return []pipeline.Batch{metricstest.Batch(t, metricstest.Gauge(points...)), lines, tracestest.BatchOf(t, td)}
}

// TestAnswersAreCompressed: where the client asks for it, by all three APIs.
func TestAnswersAreCompressed(t *testing.T) {
	e, address := running(t, nil)
	for _, b := range batches(t, 500) {
		if err := e.Consume(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{
		"/api/v1/series?match[]=m", "/loki/api/v1/query_range?limit=1000&query=" + url.QueryEscape(`{service_name=~".+"}`),
		"/tempo/api/v2/search/tag/name/values",
	} {
		plain, head := fetch(t, address+path, "identity")
		if head.Get("Content-Encoding") != "" || len(plain) < 5000 || !json.Valid([]byte(plain)) {
			t.Errorf("%s: %d bytes, %v", path, len(plain), head)
		}
		packed, head := fetch(t, address+path, "gzip")
		if head.Get("Content-Encoding") != "gzip" || len(packed) > len(plain)/4 {
			t.Errorf("%s: %d bytes of %d, %v", path, len(packed), len(plain), head)
			continue
		}
		z, err := gzip.NewReader(strings.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := io.ReadAll(z); err != nil || !json.Valid(again) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func fetch(t *testing.T, url, encoding string) (string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", encoding)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), resp.Header
}
