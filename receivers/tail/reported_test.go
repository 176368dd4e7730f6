package tail

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// TestReportedLargeRecords: 30 MB of records of 500 lines and 56 KiB each are whole, wherever blocks and batches end
// (fluent-bit#3994, #8439), and lose nothing while the pipeline refuses now and then (fluent-bit#3926).
func TestReportedLargeRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cfg.Multiline.LineStartPattern = `^\*\*\* \d+`
		w.cfg.MaxInFlightBytes, w.cfg.MaxInFlight = 1<<20, 2
		w.answer = func(call int, b pipeline.Batch) error {
			if call%7 == 0 {
				return pipeline.Refuse(time.Millisecond, fmt.Errorf("call %d is refused", call))
			}
			return nil
		}
		var text strings.Builder
		var want []string
		for n := range 560 {
			record := fmt.Sprintf("*** %d", n) + strings.Repeat("\n"+strings.Repeat("x", 110), 499)
			want = append(want, record)
			text.WriteString(record + "\n")
		}
		w.write("a.log", text.String())
		w.start()
		w.until(func() bool { return len(w.taken()) >= len(want) }, func() string { return fmt.Sprint(len(w.taken()), " records") })
		time.Sleep(5 * time.Second)
		w.stop()
		got := w.taken()
		if len(got) != len(want) {
			t.Fatalf("%d records, want %d", len(got), len(want))
		}
		seen := map[string]bool{}
		for _, r := range got {
			seen[r.body] = true
		}
		for n, record := range want {
			if !seen[record] {
				t.Fatalf("record %d is not whole", n)
			}
		}
	})
}

// TestReportedLongCRILine: a line of 400 KB, which the runtime split into 25, is one record if max_line_bytes allows it
// (fluent-bit#3938).
func TestReportedLongCRILine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cfg.MaxLineBytes, w.cfg.MaxBatchBytes = 1<<20, 3<<20
		w.cfg.Multiline.Presets = []string{"java"}
		part := strings.Repeat("x", 16<<10)
		var text strings.Builder
		for range 24 {
			fmt.Fprintf(&text, "2026-01-02T03:04:05Z stdout P %s\n", part)
		}
		fmt.Fprintf(&text, "2026-01-02T03:04:05Z stdout F %s\n2026-01-02T03:04:05Z stdout F next\n", part)
		w.write("a.log", text.String())
		w.start()
		w.want(strings.Repeat(part, 25) + "|next")
		w.stop()
	})
}
