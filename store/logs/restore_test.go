package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/logs/logstest"
	"github.com/sluiceio/sluice/store/logs/rows"
	"go.opentelemetry.io/collector/pdata/plog"
)

// abandon leaves a store as a killed process would. It copies the folder, because this process keeps the library's
// lock. It retries if parts were merged during the copy.
func abandon(t *testing.T, s *Store) string {
	t.Helper()
	parts := func() (all string) {
		files, _ := filepath.Glob(filepath.Join(s.dir, "data", "partitions", "*", "*", "parts.json"))
		for _, f := range files {
			b, _ := os.ReadFile(f)
			all += f + string(b)
		}
		return all
	}
	for range 20 {
		dir, before := t.TempDir(), parts()
		if err := os.CopyFS(dir, os.DirFS(s.dir)); err == nil && parts() == before {
			return dir
		}
	}
	t.Fatal("the folder does not come to rest")
	return ""
}

// TestReplay: replay restores unwritten rows without duplicating written ones; twice, and with a torn tail.
func TestReplay(t *testing.T) {
	s := open(t, Options{})
	now := time.Now()
	put(t, s, logstest.Lines(t, "written", now, "a", "b"))
	put(t, s, logstest.Lines(t, "written", now.Add(-24*time.Hour), "of yesterday"))
	if err := s.persist(); err != nil { // the rows are on disk, the log is not emptied
		t.Fatal(err)
	}
	put(t, s, logstest.Lines(t, "not written", now, "c", "d"))
	b := logstest.Lines(t, "both", now, "today")
	b.Request = append(b.Request, logstest.Lines(t, "both", now.Add(-24*time.Hour), "yesterday").Request...)
	put(t, s, b)
	dir := abandon(t, s)
	segment, _ := filepath.Glob(filepath.Join(dir, "wal", "*.wal"))
	if f, err := os.OpenFile(segment[0], os.O_APPEND|os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	} else if _, err := f.Write([]byte("torn tail")); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	for range 2 {
		again, _ := openIn(t, dir, Options{})
		if n := len(rowsOf(t, again, "*")); n != 7 {
			t.Errorf("%d rows, want 7", n)
		}
		if records, _ := again.wal.State(); records != 0 {
			t.Errorf("%d records left in the log", records)
		}
		dir = abandon(t, again)
	}
}

// TestReplayKeepsTimes: a row without a time keeps its arrival time.
func TestReplayKeepsTimes(t *testing.T) {
	s := open(t, Options{})
	put(t, s, logstest.Lines(t, "svc", time.Unix(0, 0), "no time")) // pdata writes 0 as absent
	want := rowsOf(t, s, "*")[0][rows.FieldTime]
	time.Sleep(2 * time.Millisecond)
	again, _ := openIn(t, abandon(t, s), Options{})
	if got := rowsOf(t, again, "*"); len(got) != 1 || got[0][rows.FieldTime] != want {
		t.Errorf("the row of %s is now %v", want, got)
	}
}

// TestHeal: rows with an unregistered stream are found by their labels after a start.
func TestHeal(t *testing.T) {
	s := open(t, Options{})
	now := time.Now()
	put(t, s, logstest.Batch(t, func(l plog.Logs) {
		rl := l.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", "lost")
		for _, text := range []string{"one", "two"} {
			r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
			r.SetTimestamp(logstest.Time(now))
			r.Body().SetStr(text)
			r.Attributes().PutStr("k8s.pod.name", "metadata, no label of the stream")
		}
	}))
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	dir := abandon(t, s)
	index := filepath.Join(dir, "data", "partitions", rows.DayName(rows.DayOf(now.UnixNano())), "indexdb")
	if err := os.RemoveAll(index); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(index, 0o750); err != nil {
		t.Fatal(err)
	}
	again, _ := openIn(t, dir, Options{})
	again.engine.DebugFlush()
	api := answers(t, again)
	got := logstest.Ask(t, api, "GET query_range\nquery={service_name=\"lost\"}")
	if !strings.Contains(got, "one") || !strings.Contains(got, "two") {
		t.Errorf("the rows of a stream that is not registered are not found: %s", got)
	}
	for _, q := range []string{"count_over_time", "bytes_over_time"} {
		got = logstest.Ask(t, api, "GET query\nquery=sum("+q+"({service_name=~\".+\"}[1h]))")
		want := map[string]string{"count_over_time": `"2"`, "bytes_over_time": `"6"`}[q]
		if !strings.Contains(got, want) {
			t.Errorf("%s counts what no one sent: %s", q, got)
		}
	}
	if got = logstest.Ask(t, api, "GET index/stats\nquery={}"); !strings.Contains(got, `"entries": 2`) {
		t.Errorf("index/stats counts what no one sent: %s", got)
	}
}

// TestCheckpoint: a due checkpoint empties the log and writes its rows to disk.
func TestCheckpoint(t *testing.T) {
	s := open(t, Options{CheckpointBytes: 1000})
	now := time.Now()
	for i := range 50 {
		put(t, s, logstest.Lines(t, "svc"+strconv.Itoa(i), now, strings.Repeat("x", 100)))
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, size := s.wal.State(); size < 1000 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no checkpoint was made")
		}
	}
	again, _ := openIn(t, abandon(t, s), Options{})
	if n := len(rowsOf(t, again, "*")); n != 50 {
		t.Errorf("%d rows of 50 after a checkpoint and a kill", n)
	}
	if snapshots := again.engine.PartitionSnapshotList(); len(snapshots) != 0 {
		t.Errorf("snapshots are left: %v", snapshots)
	}
}

// TestLocked: a folder that is in use is refused with an error, not a panic.
func TestLocked(t *testing.T) {
	s := open(t, Options{})
	settings, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	if _, err := Open(settings, s.dir, Options{}); err == nil || !strings.Contains(err.Error(), "cannot open the log storage") {
		t.Errorf("a second store in the same folder: %v", err)
	}
}

// TestDisk: days, sizes and what DropOldest leaves.
func TestDisk(t *testing.T) {
	s := open(t, Options{})
	if _, ok := s.Oldest(); ok {
		t.Error("an empty store has an oldest row")
	}
	now := time.Now()
	for back := range 3 {
		put(t, s, logstest.Lines(t, "svc", now.Add(-time.Duration(back)*24*time.Hour), strings.Repeat("x", 1000)))
	}
	s.engine.DebugFlush()
	oldest, ok := s.Oldest()
	if want := now.Add(-48 * time.Hour); !ok || oldest.UnixNano() != want.UnixNano() {
		t.Errorf("the oldest row is of %v, want %v", oldest, want)
	}
	if s.DiskBytes() < 3000 {
		t.Errorf("%d bytes on disk for 3000 in the log alone", s.DiskBytes())
	}
	for left := 2; left > 0; left-- {
		through, err := s.DropOldest(t.Context())
		wanted := time.Unix(0, (rows.DayOf(now.UnixNano())-int64(left)+1)*rows.NsPerDay)
		if err != nil || !through.Equal(wanted) {
			t.Fatalf("removed through %v (%v), want %v", through, err, wanted)
		}
		if n := len(rowsOf(t, s, "*")); n != left {
			t.Errorf("%d rows left, want %d", n, left)
		}
	}
	if through, err := s.DropOldest(t.Context()); err != nil || !through.IsZero() {
		t.Errorf("the last day was removed: %v %v", through, err)
	}
	late := func(s *Store) {
		t.Helper()
		for _, back := range []time.Duration{24 * time.Hour, 48 * time.Hour} {
			err := s.Append(t.Context(), logstest.Lines(t, "svc", now.Add(-back), "late"))
			if r, is := pipeline.AsRejected(err); !is || r.Reason != pipeline.DropTooOld {
				t.Errorf("a row of a removed day: %v, want that it is rejected as too_old", err)
			}
		}
	}
	late(s)
	again, _ := openIn(t, abandon(t, s), Options{})
	if n := len(rowsOf(t, again, "*")); n != 1 {
		t.Errorf("%d rows after a kill, want today's", n)
	}
	late(again)
	put(t, again, logstest.Lines(t, "svc", now, "new"))
	if n := len(rowsOf(t, again, `{service_name="svc"}`)); n != 2 {
		t.Errorf("%d rows are found by their stream, want 2", n)
	}
}

// TestDropOnlyDay: a day that has ended can be dropped although it is the only one; today cannot, even with a later one.
func TestDropOnlyDay(t *testing.T) {
	s := open(t, Options{})
	now := time.Now()
	put(t, s, logstest.Lines(t, "svc", now.Add(-24*time.Hour), "yesterday"))
	if through, err := s.DropOldest(t.Context()); err != nil || through.IsZero() || len(rowsOf(t, s, "*")) != 0 {
		t.Errorf("yesterday stays: %v, %v", through, err)
	}
	for _, ahead := range []time.Duration{0, 23 * time.Hour} {
		put(t, s, logstest.Lines(t, "svc", now.Add(ahead), "new"))
	}
	if through, err := s.DropOldest(t.Context()); err != nil || !through.IsZero() || len(rowsOf(t, s, "*")) != 2 {
		t.Errorf("today was removed: %v, %v", through, err)
	}
}

// TestMaxBytes: the store enforces MaxBytes.
func TestMaxBytes(t *testing.T) {
	s := open(t, Options{MaxBytes: 1})
	now := time.Now()
	for back := range 3 {
		put(t, s, logstest.Lines(t, "svc", now.Add(-time.Duration(back)*24*time.Hour), "x"))
	}
	s.sweep()
	if days := s.engine.PartitionList(); len(days) != 1 || days[0] != rows.DayName(rows.DayOf(now.UnixNano())) {
		t.Errorf("days left: %v", days)
	}
}

// TestStartWithManyStreams: a start after a crash heals any number of streams.
func TestStartWithManyStreams(t *testing.T) {
	s := open(t, Options{})
	now := time.Now()
	for i := range 20 {
		put(t, s, logstest.Batch(t, func(l plog.Logs) {
			for k := range 10_000 {
				rl := l.ResourceLogs().AppendEmpty()
				rl.Resource().Attributes().PutStr("k8s.pod.name", fmt.Sprint("a-pod-with-a-name-of-the-usual-length-", i, "-", k))
				rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().SetTimestamp(logstest.Time(now))
			}
		}))
	}
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	openIn(t, abandon(t, s), Options{})
}

// TestAdopt: a start removes missing parts from the library's list.
func TestAdopt(t *testing.T) {
	s := open(t, Options{})
	now := time.Now()
	put(t, s, logstest.Lines(t, "svc", now, "gone"))
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	dir := abandon(t, s)
	parts, _ := filepath.Glob(filepath.Join(dir, "data", "partitions", "*", "*", "*", "metadata.json"))
	if len(parts) < 2 {
		t.Fatalf("parts %v", parts)
	}
	for _, p := range parts {
		if err := os.RemoveAll(filepath.Dir(p)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, orphanFile), nil, 0o600); err != nil { // without it the library ends the process
		t.Fatal(err)
	}
	again, _ := openIn(t, dir, Options{})
	put(t, again, logstest.Lines(t, "svc", now, "new"))
	if got := rowsOf(t, again, "*"); len(got) != 1 {
		t.Errorf("%d rows", len(got))
	}
}
