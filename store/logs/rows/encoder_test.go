package rows

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/sluiceio/sluice/store/logs/logstest"
	"go.opentelemetry.io/collector/pdata/plog"
)

func TestChunks(t *testing.T) {
	b := logstest.Batch(t, func(logs plog.Logs) {
		records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for i := range 70 {
			records.AppendEmpty().Body().SetStr(strings.Repeat("x", 1000*i))
		}
	})
	chunks := func() []uint64 {
		n, err := OpenNames(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var seqs []uint64
		e := NewEncoder(n, nil)
		e.put = func(rows *logstorage.LogRows, _ []int64) { seqs = append(seqs, e.seq, uint64(rows.RowsCount())) }
		e.Begin(100, time.Now().UnixNano(), time.Now().Add(-time.Hour).UnixNano())
		e.Request(b.Request)
		e.End()
		return seqs
	}
	first := chunks()
	if fmt.Sprint(first) != fmt.Sprint(chunks()) || len(first) < 4 {
		t.Errorf("cut as %v and as %v", first, chunks())
	}
	if last := first[len(first)-2]; last-100 >= MaxChunks(len(b.Request)) {
		t.Errorf("%d chunks are more than MaxChunks says (%d)", last-99, MaxChunks(len(b.Request)))
	}
}

// BenchmarkEncode makes rows that nobody stores.
func BenchmarkEncode(b *testing.B) {
	bt := logstest.Sample(b, time.Now().Add(-time.Second))
	n, err := OpenNames(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	e := NewEncoder(n, func(*logstorage.LogRows, []int64) {})
	b.SetBytes(int64(len(bt.Request)))
	b.ReportAllocs()
	spent := logstest.CPU(b)
	for b.Loop() {
		e.Begin(1, time.Now().UnixNano(), time.Now().Add(-time.Hour).UnixNano())
		e.Request(bt.Request)
		e.End()
	}
	logstest.PerRow(b, spent, bt.Items)
}
