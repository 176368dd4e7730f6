package logs

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/sluiceio/sluice/pipeline"
)

// droppedFor reads from the ledger how many items were dropped for a reason.
func droppedFor(t *testing.T, l *pipeline.Ledger, why pipeline.Reason) int {
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
	b := batch(t, func(logs plog.Logs) {
		records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		add := func(at time.Time, text string) plog.LogRecord {
			r := records.AppendEmpty()
			if !at.IsZero() {
				r.SetTimestamp(pcommonTime(at))
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
	if err := sink.Consume(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for why, want := range map[pipeline.Reason]int{pipeline.DropTooOld: 2, pipeline.DropTooNew: 2, pipeline.DropTooLarge: 1} {
		if n := droppedFor(t, ledger, why); n != want {
			t.Errorf("%d dropped as %s, want %d", n, why, want)
		}
	}
	if rows := rowsOf(t, s, "*"); len(rows) != 5 {
		t.Errorf("%d rows stored, want 5", len(rows))
	}
	var st logstorage.StorageStats
	s.lib.UpdateStats(&st)
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
	const rows, rounds = 500, 4
	for round := range rounds {
		put(t, s, batch(t, func(logs plog.Logs) {
			rl := logs.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", "inventor")
			records := rl.ScopeLogs().AppendEmpty().LogRecords()
			for i := range rows {
				r := records.AppendEmpty()
				r.SetTimestamp(pcommonTime(now.Add(time.Duration(round*rows+i) * time.Microsecond)))
				r.Body().SetStr("x")
				for k := range 3 {
					r.Attributes().PutInt(fmt.Sprintf("made.up.%d.%d.%d", round, i, k), int64(i))
				}
			}
		}))
		s.lib.DebugFlush()
		if round == 1 { // the names of a day are remembered
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s, _ = openIn(t, dir, Options{})
		}
	}
	// One row with more attributes than the library takes, and one with a name that is too long.
	long := strings.Repeat("n", 300)
	put(t, s, batch(t, func(logs plog.Logs) {
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
	s.lib.MustForceMerge("")
	if n := len(rowsOf(t, s, "*")); n != rows*rounds+1 {
		t.Errorf("%d rows of %d are left", n, rows*rounds+1)
	}
	for _, query := range []string{
		`made_up_3_499_2="499"`, `made_up_0_0_0="0"`, `made_up_0_0_0=0`, `wide_4999="4999" | ` + long + `=~"v|w"`, `wide_4998!="" | wide_1="1"`,
	} {
		got := ask(t, s, "GET query\nquery=sum(count_over_time({service_name=\"inventor\"} | "+query+" [1h]))")
		if !strings.Contains(got, `"1"]`) {
			t.Errorf("| %s found %s", query, got)
		}
	}
	got := ask(t, s, "GET query\nquery=sum by (wide_4999) (count_over_time({service_name=\"inventor\"} | wide_4999!=\"\" [1h]))")
	if !strings.Contains(got, `{"wide_4999": "4999"}`) {
		t.Errorf("grouped: %s", got)
	}
}

// TestStreamLabels: what the index cannot take stays metadata.
func TestStreamLabels(t *testing.T) {
	s := open(t, Options{})
	put(t, s, batch(t, func(logs plog.Logs) {
		rl := logs.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", strings.Repeat("s", maxStreamValue+1))
		rl.Resource().Attributes().PutEmptyMap("k8s.pod.name").PutStr("a", "b")
		rl.Resource().Attributes().PutInt("service.instance.id", 7)
		rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("x")
	}))
	rows := rowsOf(t, s, "*")
	if len(rows) != 1 || rows[0][fieldStream] != `{service_instance_id="7",service_name="unknown_service"}` {
		t.Fatalf("got %v", rows)
	}
	if rows[0]["k8s_pod_name_a"] != "b" || len(rows[0]["service_name_extracted"]) != maxStreamValue+1 {
		t.Errorf("the attributes are lost: %v", rows[0])
	}
}

func TestChunks(t *testing.T) {
	b := batch(t, func(logs plog.Logs) {
		records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for i := range 70 {
			records.AppendEmpty().Body().SetStr(strings.Repeat("x", 1000*i))
		}
	})
	chunks := func() []uint64 {
		n, err := openNames(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var seqs []uint64
		e := &encoder{names: n}
		e.put = func(rows *logstorage.LogRows, _ []int64) { seqs = append(seqs, e.seq, uint64(rows.RowsCount())) }
		e.begin(100, time.Now().UnixNano(), time.Hour)
		e.request(b.Request)
		e.end()
		return seqs
	}
	first := chunks()
	if fmt.Sprint(first) != fmt.Sprint(chunks()) || len(first) < 4 {
		t.Errorf("cut as %v and as %v", first, chunks())
	}
	if last := first[len(first)-2]; last-100 >= maxChunks(len(b.Request)) {
		t.Errorf("%d chunks are more than maxChunks says (%d)", last-99, maxChunks(len(b.Request)))
	}
}

func TestLevel(t *testing.T) {
	for line, want := range map[string]string{
		`{"time":"x","level":"WARN","msg":"an error"}`: "warn",
		`ts=1 lvl=dbg msg="no error"`:                  "debug",
		`severity: Critical failure`:                   "critical",
		`2026/11/23 [ERR] broke`:                       "error",
		`INFO starting, panic mode off`:                "info",
		`errors are not a level, information is`:       "info",
		`level of water: high`:                         "unknown",
		`level=`:                                       "unknown",
		``:                                             "unknown",
		strings.Repeat(" ", scanBytes) + "error":       "unknown",
		`loglevel="fatal"`:                             "fatal",
	} {
		if got := lineLevel(line); got != want {
			t.Errorf("%q is %s, want %s", line, got, want)
		}
	}
	for n, want := range map[int32]string{0: "", 1: "trace", 8: "debug", 9: "info", 13: "warn", 20: "error", 24: "fatal", 99: "unknown"} {
		if got := severityLevel(n); got != want {
			t.Errorf("severity %d is %q, want %q", n, got, want)
		}
	}
}

// FuzzRest: what appendRest writes eachRest reads, and damage does no harm.
func FuzzRest(f *testing.F) {
	f.Add("a", "b", "c", strings.Repeat("d", 300))
	f.Add("", "", "\x80", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		var got []string
		eachRest(string(appendRest(appendRest(nil, k1, v1), k2, v2)), func(k, v string) { got = append(got, k, v) })
		if len(got) != 4 || got[0] != k1 || got[1] != v1 || got[2] != k2 || got[3] != v2 {
			t.Fatalf("%q became %q", []string{k1, v1, k2, v2}, got)
		}
		eachRest(k1+v1+k2+v2, func(string, string) {})
	})
}
