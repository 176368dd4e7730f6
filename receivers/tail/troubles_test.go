package tail

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTroubles: a path that cannot be read is said once, counted when it is tried, and tried less and less often.
func TestTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p troubles
		said, counted := 0, 0
		for range 10 * 60 * 10 { // ten minutes of listings
			if p.ripe("x") {
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
		p.over("x")
		if !p.ripe("x") {
			t.Error("a path that can be read is not tried")
		}
		p.note("x", time.Now())
		p.prune(time.Now().Add(3 * troubleMax))
		if len(p.paths) != 0 {
			t.Error("troubles are kept for ever")
		}
	})
}
