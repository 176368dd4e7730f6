package scrape

import (
	"testing"
	"time"
)

// TestTargetsShareSlots: the targets of a host meet at a few moments of the interval, which are the same after a
// restart and others on another host.
func TestTargetsShareSlots(t *testing.T) {
	for interval, most := range map[time.Duration]int{
		time.Nanosecond: 1, 100 * time.Millisecond: 5, 5 * time.Second: 5, 15 * time.Second: 15, time.Minute: 60,
	} {
		moments := func(now time.Time, seed uint64) map[int64]int {
			at := map[int64]int{}
			for i := range uint64(1000) {
				tg := &target{hash: i * 0x9e3779b97f4a7c15, interval: interval}
				wait := tg.offset(now, seed)
				if wait <= 0 || wait > interval {
					t.Fatalf("%s: waits for %s", interval, wait)
				}
				at[now.Add(wait).UnixNano()%int64(interval)]++
			}
			return at
		}
		now := time.Unix(1_700_000_000, 123_456_789)
		first := moments(now, 0x1234567890abcdef)
		if len(first) != most {
			t.Errorf("%s: %d moments, want %d", interval, len(first), most)
		}
		for at, n := range moments(now.Add(12345*time.Millisecond), 0x1234567890abcdef) {
			if first[at] != n {
				t.Errorf("%s: a restart moves the moment %d", interval, at)
			}
		}
		if interval > time.Nanosecond {
			for at := range moments(now, 0x2234567890abcde0) {
				if first[at] != 0 {
					t.Errorf("%s: two hosts scrape at the same moment", interval)
				}
			}
		}
	}
}
