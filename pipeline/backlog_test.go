package pipeline

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandoverNeverWaitsAndCountsWhatItLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(KindReceiver)
		open := make(chan struct{})
		var got []int
		h := NewHandover(s, s.Entrance(Logs, SinkFunc(func(ctx context.Context, b Batch) error {
			select {
			case <-open:
				got = append(got, b.Items)
				return nil
			default:
				return Refuse(0, errors.New("down"))
			}
		})), Logs, 100)
		h.Start(t.Context())
		for i := 1; i <= 5; i++ {
			b := batchOf(4)
			b.Items = i
			put(h, b) // 40 bytes each: the first is in the sender's hand, two of the others fit
			time.Sleep(handoverLinger)
			synctest.Wait()
		}
		if lost := accountOf(t, l, "receiver/x").Dropped[DropBacklogFull].Items; lost != 2+3 {
			t.Errorf("%d items dropped as backlog_full, want those of batches 2 and 3", lost)
		}
		if held := accountOf(t, l, "receiver/x").Held.Items; held != 1+4+5 {
			t.Errorf("%d items held, want 10", held)
		}
		close(open)
		time.Sleep(10 * time.Second)
		h.Stop(t.Context())
		if fmt.Sprint(got) != "[1 4 5]" {
			t.Errorf("delivered %v, want [1 4 5]", got)
		}
		if l.Unaccounted() != 0 {
			t.Error("the ledger does not close")
		}
	})
}

func TestHandoverCountsWhatTheDrainLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(KindReceiver)
		h := NewHandover(s, s.Entrance(Logs, SinkFunc(func(context.Context, Batch) error {
			return Refuse(0, errors.New("down"))
		})), Logs, 1000)
		h.Start(t.Context())
		put(h, batchOf(3))
		put(h, batchOf(4))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		h.Stop(ctx)
		a := accountOf(t, l, "receiver/x")
		if a.Dropped[DropShutdown].Items != 7 || a.Held.Items != 0 {
			t.Errorf("dropped %v, held %d; want 7 as shutdown_timeout", a.Dropped, a.Held.Items)
		}
	})
}
