package logs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		appendUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m, libraryGoroutines()...)
}

// libraryGoroutines are those that the library starts once for the process.
func libraryGoroutines() []goleak.Option {
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

// open opens a store in a folder of the test's own, closed with the test.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, _ := openIn(t, t.TempDir(), o)
	return s
}

func openIn(t testing.TB, dir string, o Options) (*Store, *pipeline.Ledger) {
	t.Helper()
	settings, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	s, err := Open(settings, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, ledger
}

// batch makes a Batch of what fill writes.
func batch(t testing.TB, fill func(plog.Logs)) pipeline.Batch {
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

// lines makes a batch of one service, a line every millisecond from start on.
func lines(t testing.TB, service string, start time.Time, texts ...string) pipeline.Batch {
	return batch(t, func(logs plog.Logs) {
		rl := logs.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", service)
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for i, text := range texts {
			r := records.AppendEmpty()
			r.SetTimestamp(pcommonTime(start.Add(time.Duration(i) * time.Millisecond)))
			r.Body().SetStr(text)
		}
	})
}

// put appends a batch that has to be taken.
func put(t testing.TB, s *Store, b pipeline.Batch) {
	t.Helper()
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// rowsOf returns all rows of the store, with the fields that the library keeps.
func rowsOf(t testing.TB, s *Store, filter string) []map[string]string {
	t.Helper()
	s.lib.DebugFlush()
	var rows []map[string]string
	err := s.each(t.Context(), libraryQuery{text: filter, from: 0, to: time.Now().Add(48 * time.Hour).UnixNano()},
		func(row map[string]string) error { rows = append(rows, row); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for i := range 3 {
		settings, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
		s, err := Open(settings, dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, lines(t, "svc", now, fmt.Sprint("line ", i)))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Append(t.Context(), pipeline.Batch{}); err == nil {
			t.Error("a closed store took a batch")
		}
	}
	s, _ := openIn(t, dir, Options{})
	if rows := rowsOf(t, s, "*"); len(rows) != 3 {
		t.Errorf("%d rows of 3 after three runs", len(rows))
	}
	if records, _ := s.wal.state(); records != 0 {
		t.Errorf("%d records are in the write-ahead log of a store that was closed", records)
	}
}

func TestOptions(t *testing.T) {
	err := Options{Retention: time.Minute, MaxBytes: -1, MaxSeries: -1}.Validate()
	for _, key := range []string{`"retention"`, `"max_bytes"`, `"max_series"`} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%v does not name %s", err, key)
		}
	}
	if err := (Options{}).withDefaults().Validate(); err != nil {
		t.Error(err)
	}
}
