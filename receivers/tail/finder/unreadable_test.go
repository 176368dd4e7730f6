package finder

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestUnreadable: a path that cannot be read is logged once, counted when it is tried, and tried less and less often.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewUnreadable(slog.New(slog.DiscardHandler), nil)
		said, counted := 0, 0
		for range 10 * 60 * 10 { // ten minutes of listings
			if p.Due("x") {
				count, first := p.note("x", time.Now())
				if count {
					counted++
				}
				if first {
					said++
				}
			}
			if count, _ := p.note("x", time.Now()); count {
				t.Fatal("a repetition within the pause is counted")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if said != 1 || counted < 20 || counted > 30 {
			t.Errorf("said %d times, counted %d times", said, counted)
		}
		p.Clear("x")
		if !p.Due("x") {
			t.Error("a path that can be read is not tried")
		}
		p.note("x", time.Now())
		p.Prune(time.Now().Add(3 * retryMax))
		if len(p.paths) != 0 {
			t.Error("unreadable paths are kept for ever")
		}
	})
}
