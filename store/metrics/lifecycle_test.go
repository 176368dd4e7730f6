package metrics

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/metrics/metricstest"
)

// TestDays: in two days the head becomes blocks, a silent series is found again under its cached reference, and
// blocks are deleted on demand and by retention.
func TestDays(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st, ledger := open(t, dir, Options{Retention: 24 * time.Hour})
		if _, ok := st.Oldest(); ok {
			t.Error("an empty store has an oldest sample")
		}
		if through, err := st.DropOldest(t.Context()); err != nil || !through.IsZero() {
			t.Errorf("DropOldest of an empty store: %v, %v", through, err)
		}
		begin := time.Now()
		push(t, st, metricstest.Gauge(metricstest.At("silent", begin, 1)))
		fill := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Minute) {
				push(t, st, metricstest.Gauge(metricstest.At("steady", time.Now(), 1)))
			}
			time.Sleep(2 * time.Minute) // compaction
		}
		fill(12 * time.Hour)
		if len(st.db.Blocks()) < 3 {
			t.Fatalf("only %d blocks after 12 hours", len(st.db.Blocks()))
		}
		if n := st.db.Head().NumSeries(); n != 1 {
			t.Fatalf("the head has %d series; the silent one should be forgotten", n)
		}
		push(t, st, metricstest.Gauge(metricstest.At("silent", time.Now(), 2), metricstest.At("silent", time.Now(), 3)))
		if got := metricstest.Instant(answers(st), `m{s="silent"}`); !strings.Contains(got, `"2"`) {
			t.Errorf("the silent series answers %s", got)
		}
		if drops := metricstest.Dropped(t, ledger); drops[pipeline.DropDuplicate] != 1 || len(drops) != 1 {
			t.Errorf("dropped %v, want the one duplicate", drops)
		}

		oldest, ok := st.Oldest()
		if !ok || !oldest.Equal(begin) {
			t.Errorf("oldest is %v (%v), want %v", oldest, ok, begin)
		}
		before, blocks := st.DiskBytes(), len(st.db.Blocks())
		through, err := st.DropOldest(t.Context())
		if err != nil || !through.After(begin) {
			t.Fatalf("DropOldest: %v, %v", through, err)
		}
		if now, _ := st.Oldest(); now.Before(through) {
			t.Errorf("the oldest sample is of %v after all through %v were dropped", now, through)
		}
		if after := st.DiskBytes(); after >= before || after == 0 {
			t.Errorf("%d bytes before the drop, %d after", before, after)
		}
		if len(st.doomed.blocks) > 1 || len(st.db.Blocks()) != blocks-1 {
			t.Errorf("%d blocks after dropping one of %d, %d doomed", len(st.db.Blocks()), blocks, len(st.doomed.blocks))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := st.DropOldest(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("DropOldest with an ended context: %v", err)
		}

		fill(28 * time.Hour)
		if now, _ := st.Oldest(); time.Since(now) > 24*time.Hour+4*time.Hour {
			t.Errorf("the oldest sample is %v old, retention is a day", time.Since(now))
		}
		push(t, st, metricstest.Gauge(metricstest.At("steady", time.Now().Add(-25*time.Hour), 1)))
		if drops := metricstest.Dropped(t, ledger); drops[pipeline.DropTooOld] != 1 {
			t.Errorf("dropped %v, want one sample beyond retention", drops)
		}
	})
}

// TestOverflow: over the limit new series are refused and known ones go on.
func TestOverflow(t *testing.T) {
	st, ledger := open(t, t.TempDir(), Options{MaxSeries: 2})
	now := time.Now()
	push(t, st, metricstest.Gauge(metricstest.At("a", now, 1), metricstest.At("b", now, 1), metricstest.At("c", now, 1)))
	st.writer = newWriter(st) // the cache knows nothing, the TSDB does
	push(t, st, metricstest.Gauge(metricstest.At("a", now.Add(1e9), 2), metricstest.At("c", now.Add(1e9), 2), metricstest.At("b", now.Add(1e9), 2)))
	if drops := metricstest.Dropped(t, ledger); drops[pipeline.DropOverflow] != 2 || len(drops) != 1 {
		t.Errorf("dropped %v", drops)
	}
	if got := metricstest.Instant(answers(st), "count(m)"); !strings.Contains(got, `"2"`) {
		t.Error(got)
	}
	// What says so is stored.
	own := metricstest.Gauge(metricstest.At("a", now, 1))
	own.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetName("sluice_component_dropped_items_total")
	push(t, st, own)
	if got := metricstest.Instant(answers(st), "count(sluice_component_dropped_items_total)"); !strings.Contains(got, `"1"`) {
		t.Errorf("our own series is refused at the limit: %s", got)
	}
}

// TestTurns: a canceled caller is withdrawn; a caller after Close, or with a full disk, is refused. None counts as
// dropped.
func TestTurns(t *testing.T) {
	s, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	st, err := Open(s, t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := metricstest.Batch(t, metricstest.Gauge(metricstest.At("a", time.Now(), 1)))
	refused := func(ctx context.Context, why string) {
		t.Helper()
		err := st.Append(ctx, b)
		if _, ok := pipeline.AsRefused(err); !ok {
			t.Errorf("%s: %v, want a refusal", why, err)
		}
	}
	st.turn <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	refused(ctx, "waiting")
	<-st.turn

	if err := st.Append(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Items: 3}); err == nil {
		t.Error("logs were taken")
	} else if r, ok := pipeline.AsRejected(err); !ok || r.Count != 3 {
		t.Errorf("logs: %v, want them rejected", err)
	}

	if err := st.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := st.db.Close(); err != nil {
		t.Fatal(err)
	}
	b = metricstest.Batch(t, metricstest.Gauge(metricstest.At("a", time.Now(), 1)))
	refused(t.Context(), "without a write-ahead log")
	_ = st.Close() // the TSDB says that it is closed
	refused(t.Context(), "closed")
	for _, a := range ledger.Read() {
		if len(a.Dropped) > 0 || a.Delivered.Items != 1 {
			t.Errorf("%s: dropped %v, delivered %d", a.Component, a.Dropped, a.Delivered.Items)
		}
		break
	}
}

// TestOneProcess: a second store on the same folder does not open.
func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	if st, err := Open(s, dir, Options{}); err == nil {
		t.Error("the folder was opened twice")
		_ = st.Close()
	}
}

// TestRuleFiles: globs and built-in files, faults with file and line, and a failed reload that keeps the rules.
func TestRuleFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("groups: [{name: file, rules: [{record: one, expr: vector(1)}]}]")
	st, _ := open(t, t.TempDir(), Options{
		RuleFiles: []string{filepath.Join(dir, "*.yaml"), filepath.Join(dir, "none", "*.yaml")},
		RulesFS: fstest.MapFS{
			"node/rules.yml": {Data: []byte("groups: [{name: built, rules: [{record: two, expr: vector(2)}]}]")},
			"README.md":      {Data: []byte("not a rule file")},
		},
	})
	rules := func() string { return metricstest.Ask(answers(st), httptest.NewRequest("GET", "/api/v1/rules", nil)) }
	for _, want := range []string{`"name":"one"`, `"name":"two"`, "builtin:node/rules.yml"} {
		if got := rules(); !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	write("groups:\n- name: file\n  rules:\n  - record: one\n    expr: sum(\n")
	err := st.ReloadRules()
	if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "5:") {
		t.Errorf("a faulty file: %v; want its name and line", err)
	}
	if got := rules(); !strings.Contains(got, `"name":"one"`) {
		t.Errorf("the rules that ran are gone: %s", got)
	}
	write("groups: [{name: file, rules: [{record: three, expr: vector(3)}]}]")
	if err := st.ReloadRules(); err != nil {
		t.Fatal(err)
	}
	if got := rules(); !strings.Contains(got, `"name":"three"`) || strings.Contains(got, `"name":"one"`) {
		t.Errorf("after the reload: %s", got)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	write("groups: 7")
	if st, err := Open(s, t.TempDir(), Options{RuleFiles: []string{file}}); err == nil {
		t.Error("a store opened with a faulty rule file")
		_ = st.Close()
	}
}

// TestQueriesEnd: a query returns an error soon if its client disconnects or it gets no slot.
func TestQueriesEnd(t *testing.T) {
	st, _ := open(t, t.TempDir(), Options{QueryConcurrency: 1, QueryTimeout: 50 * time.Millisecond})
	push(t, st, metricstest.Gauge(metricstest.At("a", time.Now(), 1)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := metricstest.Ask(answers(st), httptest.NewRequestWithContext(ctx, "GET", "/api/v1/query?query=m", nil))
	if !strings.Contains(got, `"errorType":"canceled"`) {
		t.Errorf("a cancelled query answers %s", got)
	}
	slots := st.queries
	if _, err := slots.Insert(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	got = metricstest.Ask(answers(st), httptest.NewRequest("GET", "/api/v1/query?query=m", nil))
	if !strings.Contains(got, `"status":"error"`) {
		t.Errorf("a query without a turn answers %s", got)
	}
	slots.Delete(0)
	if got = metricstest.Instant(answers(st), "m"); !strings.Contains(got, `"1"`) {
		t.Errorf("after the turn is free: %s", got)
	}
}

// TestOptions: every fault is reported at once and by name.
func TestOptions(t *testing.T) {
	if err := DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	_, err := Open(s, t.TempDir(), Options{Retention: time.Minute, MaxSeries: -1, MaxBytes: -1})
	for _, key := range []string{"retention", "max_series", "max_bytes"} {
		if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("%v does not name %q", err, key)
		}
	}
}

// TestOpensAtOnce: an empty folder is ready within a second.
func TestOpensAtOnce(t *testing.T) {
	begin := time.Now()
	st, _ := open(t, filepath.Join(t.TempDir(), "not", "there"), Options{})
	metricstest.Instant(answers(st), "up")
	if took := time.Since(begin); took > time.Second {
		t.Errorf("the first query was answered after %v", took)
	}
}

// TestIdleHead: samples in memory can be dropped once no more come; the store then takes new ones.
func TestIdleHead(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st, _ := open(t, dir, Options{})
		push(t, st, metricstest.Gauge(metricstest.At("old", time.Now(), 1)))
		time.Sleep(time.Minute)
		if through, err := st.DropOldest(t.Context()); err != nil || !through.IsZero() {
			t.Errorf("a head in use is dropped: %v, %v", through, err)
		}
		time.Sleep(time.Hour)
		if through, err := st.DropOldest(t.Context()); err != nil || through.IsZero() || len(st.db.Blocks()) != 0 {
			t.Errorf("an idle head stays: %v, %v, %d blocks", through, err, len(st.db.Blocks()))
		}
		push(t, st, metricstest.Gauge(metricstest.At("new", time.Now(), 2)))
		if got := metricstest.Instant(answers(st), `m`); !strings.Contains(got, `"2"`) || strings.Contains(got, "old") {
			t.Errorf("after it: %s", got)
		}
	})
}
