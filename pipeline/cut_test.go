package pipeline

import (
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
)

// TestCutRangesInOnePass: the records that are asked for, in order, whatever the ranges are, and not a pass for each.
func TestCutRangesInOnePass(t *testing.T) {
	const n = 50_000
	ld := plog.NewLogs()
	for range 5 {
		records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for range n / 5 {
			records.AppendEmpty().Body().SetInt(int64(records.Len()))
		}
	}
	i := int64(0)
	each := func(ld plog.Logs, do func(plog.LogRecord)) {
		for _, rl := range ld.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, l := range sl.LogRecords().All() {
					do(l)
				}
			}
		}
	}
	each(ld, func(l plog.LogRecord) { l.Body().SetInt(i); i++ })
	request, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	b := Batch{Signal: Logs, Request: request, Items: n}
	r := rand.New(rand.NewPCG(1, 2))
	for _, odds := range []int{2, 3, 1000, 9000} {
		var ranges []Range
		var want []int64
		for at := range n {
			if r.IntN(odds) == 0 {
				ranges, want = append(ranges, Range{at, at + 1}), append(want, int64(at))
			}
		}
		begun := time.Now()
		cut := b.CutRanges([]byte("before"), NewRanges(ranges))
		if took := time.Since(begun); took > time.Second {
			t.Errorf("%d ranges took %s", len(ranges), took)
		}
		out, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(cut.Request[len("before"):])
		if err != nil || cut.Items != len(want) || string(cut.Request[:6]) != "before" {
			t.Fatalf("%v, %d items, want %d", err, cut.Items, len(want))
		}
		k := 0
		each(out, func(l plog.LogRecord) {
			if k >= len(want) || l.Body().Int() != want[k] {
				t.Fatalf("record %d is %d", k, l.Body().Int())
			}
			k++
		})
		if k != len(want) {
			t.Errorf("%d records, want %d", k, len(want))
		}
	}
}
