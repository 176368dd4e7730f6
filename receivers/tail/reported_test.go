package tail

import (
	"fmt"
	"math/rand/v2"
	"slices"
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

// TestKilledWithOpenTraces writes traces on both streams in small pieces and kills the receiver at random: each line is
// delivered, and what comes again was written in the last seconds before a kill.
func TestKilledWithOpenTraces(t *testing.T) {
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.cfg.Multiline.Presets = []string{"java", "python"}
			r := rand.New(rand.NewPCG(seed, 1))
			written := map[string]time.Time{}
			var kills []time.Time
			lines := 0
			w.write("a.log", "")
			w.start()
			for range 400 {
				for _, stream := range []string{"stdout", "stderr"} {
					if r.IntN(3) == 0 {
						continue
					}
					text := []string{"plain %d", "java.lang.Exception: %d", "\tat line %d", "Caused by: %d", "Traceback (most recent call last): %d", "  File %d", "ValueError: %d"}[r.IntN(7)]
					line := fmt.Sprintf(text, lines)
					written[line] = time.Now()
					lines++
					w.append("a.log", "2026-01-02T03:04:05Z "+stream+" F "+line+"\n")
				}
				time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
				switch r.IntN(30) {
				case 0:
					kills = append(kills, time.Now())
					w.kill()
					time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
					w.start()
				case 1:
					w.refuse(r.IntN(4))
				}
			}
			time.Sleep(20 * time.Second)
			w.stop()
			seen := map[string]int{}
			for _, record := range w.taken() {
				for _, line := range strings.Split(record.body, "\n") {
					seen[line]++
				}
			}
			const recent = 8 * time.Second // a save, linger, poll, flush, and the refusals
			for line, at := range written {
				switch n := seen[line]; {
				case n == 0:
					t.Errorf("seed %d: %q is lost", seed, line)
				case n > 1 && !slices.ContainsFunc(kills, func(k time.Time) bool { return !at.After(k) && k.Sub(at) < recent }):
					t.Errorf("seed %d: %q came %d times, but no kill was near", seed, line, n)
				}
			}
			if len(seen) != len(written) || len(kills) < 3 {
				t.Errorf("seed %d: %d lines of %d, %d kills", seed, len(seen), len(written), len(kills))
			}
		})
	}
}

// refuse makes the sink refuse the next n calls.
func (w *world) refuse(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	until := w.calls + n
	w.answer = func(call int, b pipeline.Batch) error {
		if call <= until {
			return pipeline.Refuse(0, fmt.Errorf("call %d is refused", call))
		}
		return nil
	}
}
