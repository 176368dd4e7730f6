package logs

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/store/logs/logstest"
	"github.com/sluiceio/sluice/store/logs/rows"
	"github.com/sluiceio/sluice/wire/loki"
	"go.opentelemetry.io/collector/pdata/plog"
)

// droppedFor reads from the ledger how many items were dropped for a reason.
func droppedFor(t *testing.T, l *ledger.Ledger, why pipeline.Reason) int {
	t.Helper()
	n := 0
	for _, a := range l.Read() {
		n += int(a.Dropped[why].Items)
	}
	return n
}

// TestDrops: rows that the library would lose in silence are counted, and their neighbours stored.
func TestDrops(t *testing.T) {
	s, ledger := openIn(t, t.TempDir(), Options{Retention: 3 * 24 * time.Hour})
	now := time.Now()
	day := 24 * time.Hour
	b := logstest.Batch(t, func(logs plog.Logs) {
		records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		add := func(at time.Time, text string) plog.LogRecord {
			r := records.AppendEmpty()
			if !at.IsZero() {
				r.SetTimestamp(logstest.Time(at))
			}
			r.Body().SetStr(text)
			return r
		}
		add(now.Add(-3*day-time.Minute), "too old")
		add(now.Add(-3*day+time.Minute), "just not too old")
		add(now, "good")
		add(now.Add(25*time.Hour), "too far ahead")
		add(now.Add(23*time.Hour), "ahead")
		add(now, strings.Repeat("x", 2<<20)).Attributes().PutStr("why", "too large")
		add(now, strings.Repeat("x", 1<<20)).Attributes().PutStr("why", "large")
		add(time.Unix(0, 1), "1970")
		r := records.AppendEmpty()
		r.SetTimestamp(math.MaxUint64)
		add(time.Time{}, "no time")
	})
	sink := s.settings.Entrance(pipeline.Logs, pipeline.SinkFunc(s.Append))
	err := sink.Consume(t.Context(), b)
	if rejected, is := pipeline.AsRejected(err); !is || rejected.Len() != 5 {
		t.Fatalf("the sender is told %v, want that 5 records were rejected", err)
	}
	a := pipeline.Read(err, b.Items)
	for _, r := range a.Rejected {
		if want := map[pipeline.Reason]string{pipeline.DropTooOld: "[{0 1} {7 8}]", pipeline.DropTooNew: "[{3 4} {8 9}]", pipeline.DropTooLarge: "[{5 6}]"}[r.Reason]; fmt.Sprint(r.Ranges) != want {
			t.Errorf("rejected as %s: %v, want %s", r.Reason, r.Ranges, want)
		}
		if text := r.Err.Error(); !strings.Contains(text, `service_name="unknown_service" of `) {
			t.Errorf("no example in %q", text)
		}
	}
	for why, want := range map[pipeline.Reason]int{pipeline.DropTooOld: 2, pipeline.DropTooNew: 2, pipeline.DropTooLarge: 1} {
		if n := droppedFor(t, ledger, why); n != want {
			t.Errorf("%d dropped as %s, want %d", n, why, want)
		}
	}
	if got := rowsOf(t, s, "*"); len(got) != 5 {
		t.Errorf("%d rows stored, want 5", len(got))
	}
	var st logstorage.StorageStats
	s.engine.UpdateStats(&st)
	if n := st.RowsDroppedTooBigTimestamp + st.RowsDroppedTooSmallTimestamp; n != 0 {
		t.Errorf("the library dropped %d rows on its own", n)
	}
	if n := ledger.Unaccounted(); n != 0 {
		t.Errorf("%d items unaccounted for", n)
	}
}

// TestManyNames: sources that make up attribute names lose nothing, neither at once nor when the library merges its
// parts, and their labels are found. The library itself would drop rows in silence.
func TestManyNames(t *testing.T) {
	dir := t.TempDir()
	s, _ := openIn(t, dir, Options{})
	now := time.Now()
	const each, rounds = 500, 4
	for round := range rounds {
		put(t, s, logstest.Batch(t, func(logs plog.Logs) {
			rl := logs.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", "inventor")
			records := rl.ScopeLogs().AppendEmpty().LogRecords()
			for i := range each {
				r := records.AppendEmpty()
				r.SetTimestamp(logstest.Time(now.Add(time.Duration(round*each+i) * time.Microsecond)))
				r.Body().SetStr("x")
				for k := range 3 {
					r.Attributes().PutInt(fmt.Sprintf("made.up.%d.%d.%d", round, i, k), int64(i))
				}
			}
		}))
		s.engine.DebugFlush()
		if round == 1 { // the names of a day are remembered
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s, _ = openIn(t, dir, Options{})
		}
	}
	// One row with more attributes than the library takes, and one with a name that is too long.
	long := strings.Repeat("n", 300)
	put(t, s, logstest.Batch(t, func(logs plog.Logs) {
		rl := logs.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", "inventor")
		r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		r.Body().SetStr("wide")
		r.Attributes().PutStr(long, "v")
		for k := range 5000 {
			r.Attributes().PutInt(fmt.Sprintf("wide.%d", k), int64(k))
		}
	}))
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	s.engine.MustForceMerge("")
	if n := len(rowsOf(t, s, "*")); n != each*rounds+1 {
		t.Errorf("%d rows of %d are left", n, each*rounds+1)
	}
	api := answers(t, s)
	for _, query := range []string{
		`made_up_3_499_2="499"`, `made_up_0_0_0="0"`, `made_up_0_0_0=0`, `wide_4999="4999" | ` + long + `=~"v|w"`, `wide_4998!="" | wide_1="1"`,
	} {
		got := logstest.Ask(t, api, "GET query\nquery=sum(count_over_time({service_name=\"inventor\"} | "+query+" [1h]))")
		if !strings.Contains(got, `"1"]`) {
			t.Errorf("| %s found %s", query, got)
		}
	}
	got := logstest.Ask(t, api, "GET query\nquery=sum by (wide_4999) (count_over_time({service_name=\"inventor\"} | wide_4999!=\"\" [1h]))")
	if !strings.Contains(got, `{"wide_4999": "4999"}`) {
		t.Errorf("grouped: %s", got)
	}
}

// TestStreamLabels: what the index cannot take stays metadata.
func TestStreamLabels(t *testing.T) {
	const longest = loki.MaxLabelValue
	s := open(t, Options{})
	put(t, s, logstest.Batch(t, func(logs plog.Logs) {
		rl := logs.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", strings.Repeat("s", longest+1))
		rl.Resource().Attributes().PutEmptyMap("k8s.pod.name").PutStr("a", "b")
		rl.Resource().Attributes().PutInt("service.instance.id", 7)
		rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("x")
	}))
	got := rowsOf(t, s, "*")
	if len(got) != 1 || got[0][rows.FieldStream] != `{service_instance_id="7",service_name="unknown_service"}` {
		t.Fatalf("got %v", got)
	}
	if got[0]["k8s_pod_name_a"] != "b" || len(got[0]["service_name_extracted"]) != longest+1 {
		t.Errorf("the attributes are lost: %v", got[0])
	}
}
