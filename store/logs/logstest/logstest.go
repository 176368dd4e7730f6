// Package logstest helps to test the log store and its API.
package logstest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/goleak"
)

// Batch makes a batch of what fill writes.
func Batch(t testing.TB, fill func(plog.Logs)) pipeline.Batch {
	t.Helper()
	logs := plog.NewLogs()
	fill(logs)
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	r, info, err := wire.Check(wire.Logs, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Logs, Request: r, Items: info.Items}
}

// Lines makes a batch of one service, a line each millisecond.
func Lines(t testing.TB, service string, start time.Time, texts ...string) pipeline.Batch {
	return Batch(t, func(logs plog.Logs) {
		rl := logs.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", service)
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for i, text := range texts {
			r := records.AppendEmpty()
			r.SetTimestamp(Time(start.Add(time.Duration(i) * time.Millisecond)))
			r.Body().SetStr(text)
		}
	})
}

// Many makes a batch of n rows of one service, one each millisecond.
func Many(t testing.TB, n int, start time.Time, fill func(i int, r plog.LogRecord)) pipeline.Batch {
	return Batch(t, func(logs plog.Logs) {
		rl := logs.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", "svc")
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for i := range n {
			r := records.AppendEmpty()
			r.SetTimestamp(Time(start.Add(time.Duration(i) * time.Millisecond)))
			fill(i, r)
		}
	})
}

// Time converts to pdata.
func Time(t time.Time) pcommon.Timestamp { return pcommon.NewTimestampFromTime(t) }

// Get sends a query and returns status and body.
func Get(ctx context.Context, h http.Handler, path string, params ...string) (int, string) {
	form := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/loki/api/v1/"+path+"?"+form.Encode(), nil)
	h.ServeHTTP(w, r.WithContext(ctx))
	return w.Code, w.Body.String()
}

// LibraryGoroutines are global goroutines of the library.
func LibraryGoroutines() []goleak.Option {
	const vm = "github.com/VictoriaMetrics/"
	var out []goleak.Option
	for _, f := range []string{
		"VictoriaMetrics/lib/logger.newLogThrottler.func1", "VictoriaMetrics/lib/timeutil.init.0.func1",
		"VictoriaMetrics/lib/fasttime.init.0.func1", "VictoriaMetrics/lib/bytesutil.newInternStringMap.func1",
		"VictoriaMetrics/lib/blockcache.(*Cache).cleaner", "VictoriaLogs/lib/logstorage.init.0.func1", "metrics.summariesSwapCron",
	} {
		out = append(out, goleak.IgnoreAnyFunction(vm+f))
	}
	return out
}
