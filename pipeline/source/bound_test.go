package source

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func TestBacklogNeverWaitsAndCountsWhatItLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(pipeline.KindReceiver)
		open := make(chan struct{})
		var got []int
		h := NewBacklog(s, s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
			select {
			case <-open:
				got = append(got, b.Items)
				return nil
			default:
				return pipeline.Refuse(0, errors.New("down"))
			}
		})), pipeline.Logs, 100)
		h.Start(t.Context())
		for i := 1; i <= 5; i++ {
			b := batchOf(4)
			b.Items = i
			put(h, b) // 40 bytes each: the first is in the sender's hand, two of the others fit
			time.Sleep(backlogLinger)
			synctest.Wait()
		}
		if lost := accountOf(t, l, "receiver/x").Dropped[pipeline.DropBacklogFull].Items; lost != 2+3 {
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

func TestBacklogCountsWhatTheDrainLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(pipeline.KindReceiver)
		h := NewBacklog(s, s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
			return pipeline.Refuse(0, errors.New("down"))
		})), pipeline.Logs, 1000)
		h.Start(t.Context())
		put(h, batchOf(3))
		put(h, batchOf(4))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		h.Stop(ctx)
		a := accountOf(t, l, "receiver/x")
		if a.Dropped[pipeline.DropShutdown].Items != 7 || a.Held.Items != 0 {
			t.Errorf("dropped %v, held %d; want 7 as shutdown_timeout", a.Dropped, a.Held.Items)
		}
	})
}

func batchOf(items int) pipeline.Batch {
	return pipeline.Batch{Signal: pipeline.Logs, Request: make(wire.Request, items*10), Items: items}
}

func testSettings(kind pipeline.Kind) (pipeline.Settings, *ledger.Ledger) {
	l := ledger.New()
	return pipelinetest.SettingsOf(l, kind, pipeline.ID{Type: "x"}, pipeline.Signals[:]...), l
}

func accountOf(t *testing.T, l *ledger.Ledger, component string) pipeline.Statement {
	t.Helper()
	for _, a := range l.Read() {
		if a.Component == component && a.Signal == pipeline.Logs {
			return a
		}
	}
	t.Fatalf("no account of %s", component)
	return pipeline.Statement{}
}

// TestAReceiverThatWrapsItsOutput: the books stay those of the receiver, and nothing is dropped in silence.
func TestAReceiverThatWrapsItsOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(pipeline.KindReceiver)
		out := s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
			time.Sleep(time.Hour)
			return nil
		}))
		wrapped := pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error { return out.Consume(ctx, b) })
		h := NewBacklog(s, wrapped, pipeline.Logs, 160)
		h.Start(t.Context())
		for range 200 {
			put(h, batchOf(1))
			time.Sleep(backlogLinger)
		}
		a := accountOf(t, l, "receiver/x")
		if a.In.Items != 200 || a.Dropped[pipeline.DropBacklogFull].Items == 0 || a.Dropped[pipeline.DropBacklogFull].Items+a.Held.Items != 200 {
			t.Errorf("the books say %+v", a)
		}
		time.Sleep(24 * time.Hour)
		h.Stop(t.Context())
		if a := accountOf(t, l, "receiver/x"); a.Out.Items+a.Dropped[pipeline.DropBacklogFull].Items != 200 || a.Held.Items != 0 || l.Unaccounted() != 0 {
			t.Errorf("in the end the books say %+v, %d unaccounted for", a, l.Unaccounted())
		}
	})
}
