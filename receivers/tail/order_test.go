package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// TestOrderOfDelivery: with a sink that answers at random times and refuses, a window of one keeps a file's order; a larger
// one may reorder batches, but observed times still show the order.
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
		slices.SortStableFunc(taken, func(a, b logRecord) int { return cmp.Compare(a.observed, b.observed) })
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
