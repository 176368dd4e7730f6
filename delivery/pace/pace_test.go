package pace

import (
	"testing"
	"testing/synctest"
	"time"
)

// round sends n requests at once, which take so long and are refused or not.
func round(p *Pace, n int, takes time.Duration, refused func()) {
	begun := time.Now()
	time.Sleep(takes)
	for range n {
		if refused != nil {
			refused()
			_ = p.Refused(begun, 0, false)
			continue
		}
		p.Answered(begun)
	}
}

// TestRampAfterAnOutage: one request at once, then more with each round of answers, and never more than the most.
func TestRampAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pace
		p.Set(10, 10)
		time.Sleep(time.Second)
		round(&p, 10, 10*time.Millisecond, func() {})
		if p.Limit() != 1 || !p.Pauses(time.Now()) {
			t.Fatalf("after a refusal %d at once, pauses %t", p.Limit(), p.Pauses(time.Now()))
		}
		time.Sleep(time.Second)
		last := 1
		for range 12 {
			round(&p, p.Limit(), 10*time.Millisecond, nil)
			if n := p.Limit(); n < last || n > last+1 || n > 10 {
				t.Fatalf("from %d to %d in one round", last, n)
			}
			last = p.Limit()
		}
		if last < 9 {
			t.Errorf("%d at once after 12 rounds", last)
		}
	})
}

// TestPausesGrowByRounds: pauses are random under a bound that doubles with each round, however many fail in it.
func TestPausesGrowByRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bounds := []time.Duration{200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}
		high := make([]time.Duration, len(bounds))
		for range 300 {
			var p Pace
			p.Set(10, 10)
			for i := range bounds {
				time.Sleep(time.Minute)
				begun := time.Now()
				time.Sleep(time.Millisecond)
				var pause time.Duration
				for range 10 {
					pause = p.Refused(begun, 0, false)
				}
				high[i] = max(high[i], pause)
			}
		}
		for i, bound := range bounds {
			if bound *= time.Millisecond; high[i] > bound || high[i] < bound*8/10 {
				t.Errorf("round %d: the longest of 300 pauses is %s; full jitter fills 0 to %s", i, high[i], bound)
			}
		}
	})
}

// TestRetryAfterIsTheLeast: a pause that was asked for holds, also when a request that was out already is answered.
func TestRetryAfterIsTheLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pace
		p.Set(4, 4)
		begun := time.Now()
		time.Sleep(10 * time.Millisecond)
		if pause := p.Refused(begun, time.Minute, true); pause < time.Minute || pause > time.Minute+200*time.Millisecond {
			t.Errorf("pause %s", pause)
		}
		_ = p.Refused(begun, time.Second, true)
		time.Sleep(10 * time.Millisecond)
		p.Answered(begun)
		if p.Limit() != 2 {
			t.Errorf("%d at once; want half of 4, once", p.Limit())
		}
		time.Sleep(59 * time.Second)
		if !p.Pauses(time.Now()) {
			t.Error("an answer to an older request ended the pause")
		}
		time.Sleep(2 * time.Second)
		if p.Pauses(time.Now()) {
			t.Error("the pause does not end")
		}
		if pause := p.Refused(time.Now(), 24*time.Hour, false); pause > 6*time.Minute {
			t.Errorf("asked for a day, waits %s", pause)
		}
	})
}

// TestSlowAnswersCost: answers that take much longer than usual lower the limit, never under 1.
func TestSlowAnswersCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pace
		p.Set(10, 10)
		for range 20 {
			round(&p, 5, 20*time.Millisecond, nil)
		}
		before := p.Limit()
		round(&p, 3, 500*time.Millisecond, nil)
		if p.Limit() >= before {
			t.Errorf("%d at once before, %d after slow answers", before, p.Limit())
		}
		for range 20 {
			round(&p, 10, time.Hour, nil)
		}
		if p.Limit() < 1 {
			t.Errorf("%d at once", p.Limit())
		}
	})
}
