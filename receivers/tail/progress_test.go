package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// TestAcksOutOfOrder settles calls in every order: the checkpoint is always the end of the unbroken prefix.
func TestAcksOutOfOrder(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var p progress
		var calls []*call
		for i := range 8 {
			calls = append(calls, p.launch(int64(i+1)*10, 1))
		}
		done := make([]bool, len(calls))
		for _, i := range rnd.Perm(len(calls)) {
			p.settle(calls[i])
			done[i] = true
			prefix := slices.Index(done, false)
			if prefix < 0 {
				prefix = len(done)
			}
			if got, want := p.entry().offset, int64(prefix)*10; got != want {
				t.Fatalf("seed %d: %v: the checkpoint is %d, want %d", seed, done, got, want)
			}
		}
	}
}

// TestAcksOfTruncatedContent: what comes back for content that is gone moves nothing.
func TestAcksOfTruncatedContent(t *testing.T) {
	var p progress
	p.begin(100, fingerprintOf([]byte("old")))
	a, b := p.launch(150, 1), p.launch(200, 1)
	p.settle(a)
	p.restart()
	c := p.launch(7, 1)
	p.settle(b)
	if e := p.entry(); e.offset != 0 || e.mark != (fingerprint{}) {
		t.Errorf("the checkpoint is %d of %v", e.offset, e.mark)
	}
	p.settle(c)
	if e := p.entry(); e.offset != 7 {
		t.Errorf("the checkpoint is %d", e.offset)
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
			c := p.launch(int64(i), 1)
			wg.Go(func() {
				for p.waitTurn(t.Context(), c) {
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

// TestOrderOfDelivery: with a sink that answers at random times and refuses, a window of one delivers a file's records
// in order; a larger one may let batches overtake each other, and the observed times still tell the order.
func TestOrderOfDelivery(t *testing.T) {
	for _, window := range []int{1, 4} {
		t.Run(fmt.Sprint(window), func(t *testing.T) { testOrder(t, window) })
	}
}

func testOrder(t *testing.T, window int) {
	w := newWorld(t)
	w.cfg.MaxInFlight = window
	w.cfg.MaxLineBytes, w.cfg.MaxBatchBytes = 1<<10, minBatch+2<<10
	var text []byte
	const n = 20_000
	for i := range n {
		text = fmt.Appendf(text, "%d is the number of this line\n", i)
	}
	w.write("a.log", string(text))
	refuse := errors.New("now and then")
	w.answer = func(call int, _ pipeline.Batch) error {
		if call%5 == 0 {
			return refuse
		}
		return nil
	}
	sink := pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
		err := w.Consume(ctx, b)
		time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
		return err
	})
	r, err := New(w.settings, w.cfg, pipeline.OutputsTo(sink, pipeline.Logs))
	w.must(err)
	w.must(r.Start(t.Context()))
	if doubled := w.complete(n); doubled != 0 {
		t.Errorf("%d came twice", doubled)
	}
	w.must(r.Stop(t.Context()))
	taken := w.taken()
	if window > 1 {
		slices.SortStableFunc(taken, func(a, b record) int { return cmp.Compare(a.observed, b.observed) })
	}
	for i, rec := range taken {
		var number int
		if fmt.Sscan(rec.body, &number); number != i {
			t.Fatalf("record %d is %q", i, rec.body)
		}
		if i > 0 && rec.observed <= taken[i-1].observed {
			t.Fatalf("observed times do not rise: %d after %d", rec.observed, taken[i-1].observed)
		}
	}
}
