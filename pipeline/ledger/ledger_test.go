package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTheLedgerClosesAtEveryInstant(t *testing.T) {
	s, l := testSettings(KindExporter)
	answers := []error{
		nil, Refuse(0, errors.New("later")), Reject(0, DropInvalid, errors.New("all bad")),
		Reject(3, DropTooOld, errors.New("three bad")), errors.New("plain"),
	}
	var calls atomic.Int64
	sink := s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
		n := calls.Add(1)
		err := answers[int(n)%len(answers)]
		if err == nil {
			s.Drop(DropDuplicate, Logs, 2, 20)
		}
		s.Delivered(Logs, b.Items, len(b.Request))
		return err
	}))
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if gap := l.Unaccounted(); gap != 0 {
					t.Errorf("%d items unaccounted for", gap)
					return
				}
			}
		}
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				sink.Consume(t.Context(), batchOf(10))
			}
		})
	}
	wg.Wait()
	close(stop)
	watch.Wait()
	a := accountOf(t, l, "exporter/x")
	dropped := int64(0)
	for _, d := range a.Dropped {
		dropped += d.Items
	}
	if a.In.Items != 40000 || a.Out.Items+a.Refused.Items+dropped != 40000 || a.Held.Items != 0 {
		t.Errorf("in %d, out %d, refused %d, dropped %d, held %d", a.In.Items, a.Out.Items, a.Refused.Items, dropped, a.Held.Items)
	}
	if a.Dropped[DropTooOld].Items != 800*3 || a.Dropped[DropInvalid].Items != 8000 || a.Dropped[DropDuplicate].Items != 1600 {
		t.Errorf("dropped: %v", a.Dropped)
	}
	if a.In.Bytes != a.Out.Bytes+a.Refused.Bytes+a.Dropped[DropTooOld].Bytes+a.Dropped[DropInvalid].Bytes+a.Dropped[DropDuplicate].Bytes {
		t.Errorf("bytes do not close: %+v", a)
	}
}

// TestTheLedgerSeesLies plants the two bugs that the ledger exists for.
func TestTheLedgerSeesLies(t *testing.T) {
	t.Run("an exporter that answers nil without delivering", func(t *testing.T) {
		s, l := testSettings(KindExporter)
		s.Entrance(Logs, SinkFunc(func(context.Context, Batch) error { return nil })).Consume(t.Context(), batchOf(7))
		if got := l.Unaccounted(); got != 7 {
			t.Errorf("unaccounted is %d, want 7", got)
		}
	})
	t.Run("a processor that acknowledges early", func(t *testing.T) {
		l := NewLedger()
		from := l.account(KindProcessor, accountKey{component: "processor/liar", signal: Logs})
		to := l.account(KindProcessor, accountKey{component: "processor/next", signal: Logs})
		to.join(from)
		liar := &entrance{account: from, next: SinkFunc(func(context.Context, Batch) error { return nil })}
		liar.Consume(t.Context(), batchOf(5))
		if got := l.Unaccounted(); got != 5 {
			t.Errorf("unaccounted is %d, want 5", got)
		}
	})
	t.Run("dropping what never came", func(t *testing.T) {
		s, l := testSettings(KindProcessor)
		s.Drop(DropFiltered, Logs, 4, 0)
		if got := l.Unaccounted(); got == 0 {
			t.Error("a processor dropped records that it never had, and nobody noticed")
		}
	})
}
