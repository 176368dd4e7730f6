package logs

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/api/loki"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logstest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		appendUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m, logstest.LibraryGoroutines()...)
}

// open opens a store in a folder of the test's own, closed with the test.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, _ := openIn(t, t.TempDir(), o)
	return s
}

func openIn(t testing.TB, dir string, o Options) (*Store, *ledger.Ledger) {
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
	s.engine.DebugFlush()
	var rows []map[string]string
	err := s.engine.Each(t.Context(), engine.Query{Text: filter, From: 0, To: time.Now().Add(48 * time.Hour).UnixNano()},
		func(row map[string]string) error { rows = append(rows, row); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// answers is the API over a store, to ask it with.
func answers(t testing.TB, s *Store) http.Handler {
	t.Helper()
	h, err := loki.New(s.settings, s)
	if err != nil {
		t.Fatal(err)
	}
	return h
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
		put(t, s, logstest.Lines(t, "svc", now, fmt.Sprint("line ", i)))
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
	if records, _ := s.wal.State(); records != 0 {
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
