package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/wire"
)

// logsOf is a request with a resource for each list of bodies.
func logsOf(resources ...[]string) pipeline.Batch {
	out := pipeline.Batch{Signal: pipeline.Logs}
	for _, bodies := range resources {
		b, res := wire.BeginMessage(out.Request, wire.FieldRequestResource)
		b, scope := wire.BeginMessage(b, wire.FieldResourceXScope)
		for _, body := range bodies {
			var rec, value int
			b, rec = wire.BeginMessage(b, wire.FieldScopeXItem)
			b, value = wire.BeginMessage(b, wire.FieldLogBody)
			b = wire.AppendString(b, wire.FieldValueString, body)
			b = wire.EndMessage(wire.EndMessage(b, value), rec)
			out.Items++
		}
		out.Request = wire.EndMessage(wire.EndMessage(b, scope), res)
	}
	return out
}

// branchOf notes what it was given, and answers as a test says.
type branchOf struct {
	answer func(n int, b pipeline.Batch) error
	calls  int
	got    []string
}

func (x *branchOf) Consume(_ context.Context, b pipeline.Batch) error {
	x.calls++
	err := x.answer(x.calls, b)
	a := pipeline.Read(err, b.Items)
	at := 0
	for rs := b.Request.Resources(); rs.Next(); {
		for ss := rs.Scopes(); ss.Next(); {
			for it := ss.Items(); it.Next(); at++ {
				l := wire.ParseLog(it.Bytes())
				if a.Refused.Intersect(pipeline.Ranges{{From: at, To: at + 1}}).Len() == 0 {
					x.got = append(x.got, string(l.Body.Str()))
				}
			}
		}
	}
	return err
}

func takes(int, pipeline.Batch) error { return nil }

func busyUntil(n int) func(int, pipeline.Batch) error {
	return func(k int, b pipeline.Batch) error {
		if k < n {
			return pipeline.Refuse(time.Second, errors.New("busy"))
		}
		return nil
	}
}

// TestFanOutGivesNothingTwice: a branch that has settled what another refused does not get it again when the caller
// repeats, whether the caller repeats all of it or only what was refused.
func TestFanOutGivesNothingTwice(t *testing.T) {
	for _, cuts := range []bool{false, true} {
		good, away := &branchOf{answer: takes}, &branchOf{answer: func(n int, b pipeline.Batch) error {
			if n > 3 {
				return nil
			}
			if !cuts {
				return pipeline.Refuse(0, errors.New("busy"))
			}
			g := pipeline.NewGather(b.Items) // the first two of five, as long as they come
			g.Refuse(pipeline.NewRanges([]pipeline.Range{{From: 0, To: min(2, b.Items)}}), pipeline.Refuse(0, errors.New("busy")))
			return g.Err()
		}}
		bad := &branchOf{answer: func(int, pipeline.Batch) error {
			return pipeline.Reject(0, pipeline.DropRejected, errors.New("never"))
		}}
		h := heads(good, away, bad)
		f := fanOutTo("f", h, host{settled: newSettled()})
		b := logsOf([]string{"a", "b", "c"}, []string{"d", "e"})
		for range 10 {
			err := f.Consume(t.Context(), b)
			if err == nil {
				break
			}
			if cuts {
				b = b.Remaining(err)
			}
		}
		if n := len(good.got); n != 5 || good.calls != 1 {
			t.Errorf("cuts %v: the healthy branch got %q in %d calls", cuts, good.got, good.calls)
		}
		if bad.calls != 1 {
			t.Errorf("cuts %v: the branch that rejects was asked %d times", cuts, bad.calls)
		}
		if away.calls != 4 || !slices.Contains(away.got, "a") || !slices.Contains(away.got, "e") {
			t.Errorf("cuts %v: the other got %q in %d calls", cuts, away.got, away.calls)
		}
		// The same records again are new ones.
		if err := f.Consume(t.Context(), logsOf([]string{"a", "b", "c"}, []string{"d", "e"})); err != nil || len(good.got) != 10 {
			t.Errorf("cuts %v: equal records later: %v, %d delivered", cuts, err, len(good.got))
		}
		if n := h[0].accounts[0].Read().DeliveredAfterRefusal; n < 2 || n > 5 {
			t.Errorf("cuts %v: %d delivered after refusal", cuts, n)
		}
	}
	t.Run("equal records have an entry each", func(t *testing.T) {
		good, away := &branchOf{answer: takes}, &branchOf{answer: busyUntil(3)}
		f := fanOutTo("f", heads(good, away), host{settled: newSettled()})
		for range 4 { // twice refused, twice repeated
			_ = f.Consume(t.Context(), logsOf([]string{"tick"}))
		}
		if len(good.got) != 2 || len(away.got) != 2 {
			t.Errorf("%d and %d delivered, want 2 each", len(good.got), len(away.got))
		}
	})
	t.Run("tenants", func(t *testing.T) {
		good, away := &branchOf{answer: takes}, &branchOf{answer: busyUntil(100)}
		f := fanOutTo("f", heads(good, away), host{settled: newSettled()})
		for _, tenant := range []string{"a", "b"} {
			b := logsOf([]string{"x"})
			b.Origin.Tenant = tenant
			_ = f.Consume(t.Context(), b)
		}
		if len(good.got) != 2 {
			t.Errorf("%d delivered, want one for each tenant", len(good.got))
		}
	})
	t.Run("two fan-outs share a branch", func(t *testing.T) {
		good, away := &branchOf{answer: takes}, &branchOf{answer: busyUntil(100)}
		h, m := heads(good, away), newSettled()
		for _, name := range []string{"one", "other"} {
			_ = fanOutTo(name, h, host{settled: m}).Consume(t.Context(), logsOf([]string{"x"}))
		}
		if len(good.got) != 2 {
			t.Errorf("%d delivered, want one from each", len(good.got))
		}
	})
	t.Run("rejected by every branch", func(t *testing.T) {
		reject := func(int, pipeline.Batch) error {
			return pipeline.Reject(1, pipeline.DropRejected, errors.New("a"))
		}
		all := fanOutTo("f", heads(&branchOf{answer: reject}, &branchOf{answer: reject}), host{settled: newSettled()})
		if _, never := pipeline.AsRejected(all.Consume(t.Context(), logsOf([]string{"x"}))); !never {
			t.Error("rejected by every branch is rejected")
		}
	})
	t.Run("bounds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newSettled()
			good, away := &branchOf{answer: takes}, &branchOf{answer: busyUntil(1 << 30)}
			f := fanOutTo("f", heads(good, away), host{settled: m})
			for i := range uint64(settledMost + 100) {
				m.add(&settledPart{keys: [2]settledKey{{i}, {i}}, at: time.Now()})
			}
			_ = f.Consume(t.Context(), logsOf([]string{"x"}))
			if n := m.n.Load(); n > settledMost {
				t.Errorf("%d entries", n)
			}
			time.Sleep(settledFor + time.Second)
			before := len(good.got)
			_ = f.Consume(t.Context(), logsOf([]string{"x"}))
			if len(good.got) != before+1 {
				t.Error("an old entry was used")
			}
		})
	})
}

// heads are branches with an account each.
func heads(sinks ...pipeline.Sink) (h []head) {
	l := ledger.New()
	for i, s := range sinks {
		account := l.Account(pipeline.KindExporter, ledger.Key{Component: fmt.Sprint(i), Signal: pipeline.Logs})
		h = append(h, head{sink: s, accounts: []*ledger.Account{account}})
	}
	return h
}

// TestFanOutItemByItem: an item is refused if any branch refused it, rejected if no branch took it. What one branch took
// and another refused is the bound on duplicates.
func TestFanOutItemByItem(t *testing.T) {
	says := func(f func(g *pipeline.Gather)) pipeline.Sink {
		return pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
			g := pipeline.NewGather(b.Items)
			f(g)
			return g.Err()
		})
	}
	busy, old := pipeline.Refuse(0, errors.New("busy")), errors.New("old")
	h := heads(
		says(func(g *pipeline.Gather) {
			g.Refuse(pipeline.Ranges{{From: 0, To: 2}}, busy)
			g.Reject(pipeline.Rejected{Reason: pipeline.DropTooOld, Err: old, Ranges: pipeline.Ranges{{From: 4, To: 8}}})
		}),
		says(func(g *pipeline.Gather) {
			g.Reject(pipeline.Rejected{Reason: pipeline.DropTooOld, Err: old, Ranges: pipeline.Ranges{{From: 1, To: 6}}})
		}),
	)
	a := pipeline.Read(fanOutTo("f", h, host{settled: newSettled()}).Consume(t.Context(), batchOf(10)), 10)
	if !slices.Equal(a.Refused, pipeline.Ranges{{From: 0, To: 2}}) || len(a.Rejected) != 1 || !slices.Equal(a.Rejected[0].Ranges, pipeline.Ranges{{From: 4, To: 6}}) {
		t.Errorf("refused %v, rejected %+v; want 0-2 and 4-6", a.Refused, a.Rejected)
	}
	if n := h[1].accounts[0].Read().DeliveredAfterRefusal; n != 1 {
		t.Errorf("%d items of the second branch will come again, want 1: item 0", n)
	}
}
