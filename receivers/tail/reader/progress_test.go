package reader

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAcksOutOfOrder settles calls in every order: the checkpoint is always the end of the unbroken prefix.
func TestAcksOutOfOrder(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var p progress
		var calls []*call
		for i := range 8 {
			calls = append(calls, p.launch(&call{resume: int64(i+1) * 10, items: 1}))
		}
		done := make([]bool, len(calls))
		for _, i := range rnd.Perm(len(calls)) {
			p.settle(calls[i])
			done[i] = true
			prefix := slices.Index(done, false)
			if prefix < 0 {
				prefix = len(done)
			}
			if got, want := p.entry().Offset, int64(prefix)*10; got != want {
				t.Fatalf("seed %d: %v: the checkpoint is %d, want %d", seed, done, got, want)
			}
		}
	}
}

// TestOrder looks at the turns: in order side by side while all goes well; once one is refused, alone and the oldest
// first.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p progress
		var mu sync.Mutex
		var log []string
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf(format, args...))
		}
		refusals := map[int]int{1: 2, 2: 1}
		var wg sync.WaitGroup
		for i := range 4 {
			c := p.launch(&call{resume: int64(i), items: 1})
			wg.Go(func() {
				for p.waitTurn(t.Context(), c, 4) {
					note("%d begins", i)
					time.Sleep(20 * time.Millisecond)
					mu.Lock()
					refusals[i]--
					again := refusals[i] >= 0
					mu.Unlock()
					if !again {
						note("%d ends", i)
						p.settle(c)
						return
					}
					note("%d refused", i)
					p.refuse(c)
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		want := []string{
			"0 begins", "1 begins", "2 begins", "3 begins", "0 ends", "1 refused", "2 refused", "3 ends",
			"1 begins", "1 refused", "1 begins", "1 ends", "2 begins", "2 ends",
		}
		if !slices.Equal(log, want) {
			t.Errorf("have %q\nwant %q", log, want)
		}
	})
}
