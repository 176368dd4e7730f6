package pipeline

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/wire"
)

// TestHandoverBuffersAreNotMixedUp: copies come from a pool, batches are refused, dropped and delivered, and each
// that arrives has its own bytes until it is answered, although its source's buffer changes at once.
func TestHandoverBuffersAreNotMixedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(KindReceiver)
		calls, arrived := 0, 0
		h := NewHandover(s, s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
			calls++
			want := bytes.Repeat([]byte{byte(b.Items)}, 40)
			if !bytes.Equal(b.Request, want) {
				t.Errorf("batch %d arrived as % x", b.Items, b.Request)
			}
			time.Sleep(time.Millisecond)
			if !bytes.Equal(b.Request, want) {
				t.Errorf("batch %d changed while it was out", b.Items)
			}
			if calls%3 == 0 {
				return Refuse(0, errors.New("busy"))
			}
			arrived++
			return nil
		})), Logs, 400)
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		source := make(wire.Request, 40)
		for i := 1; i <= 200; i++ {
			for j := range source {
				source[j] = byte(i)
			}
			h.Put(Batch{Signal: Logs, Request: source, Items: i})
			if i%7 == 0 {
				time.Sleep(20 * time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		if err := h.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if arrived == 0 || l.Unaccounted() != 0 {
			t.Errorf("%d batches arrived, %d items unaccounted for", arrived, l.Unaccounted())
		}
	})
}
