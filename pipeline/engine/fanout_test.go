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
)

func TestFanOutRepeatsOnlyTheRefusedBranches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls [3]int
		branch := func(i int, answer func(n int) error) pipeline.Sink {
			return pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
				calls[i]++
				return answer(calls[i])
			})
		}
		f := fanOutTo(heads(
			branch(0, func(int) error { return nil }),
			branch(1, func(n int) error {
				if n < 3 {
					return pipeline.Refuse(time.Second, errors.New("busy"))
				}
				return nil
			}),
			branch(2, func(int) error { return pipeline.Reject(1, pipeline.DropRejected, errors.New("never")) }),
		))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := f.Consume(ctx, batchOf(1)); err != nil {
			t.Errorf("got %v, want nil: one branch took it and the rejected one is counted at its own account", err)
		}
		if calls != [3]int{1, 3, 1} {
			t.Errorf("the branches were called %v times, want 1, 3, 1", calls)
		}
		calls = [3]int{}
		if err := f.Consume(t.Context(), batchOf(1)); err != nil || calls != [3]int{1, 3, 1} {
			t.Errorf("without a deadline: %v after %v calls, want nil after 1, 3, 1", err, calls)
		}
		calls = [3]int{}
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, leave)
		if _, again := pipeline.AsRefused(f.Consume(ctx, batchOf(1))); !again || calls != [3]int{1, 2, 1} {
			t.Errorf("a caller that leaves got no refusal, or after %v calls; want 1, 2, 1", calls)
		}
	})
	all := fanOutTo(heads(
		pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
			return pipeline.Reject(1, pipeline.DropRejected, errors.New("a"))
		}),
		pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
			return pipeline.Reject(1, pipeline.DropRejected, errors.New("b"))
		}),
	))
	if _, never := pipeline.AsRejected(all.Consume(t.Context(), batchOf(1))); !never {
		t.Error("rejected by every branch is rejected")
	}
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
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nothing is repeated
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
	a := pipeline.Read(fanOutTo(h).Consume(ctx, batchOf(10)), 10)
	if !slices.Equal(a.Refused, pipeline.Ranges{{From: 0, To: 2}}) || len(a.Rejected) != 1 || !slices.Equal(a.Rejected[0].Ranges, pipeline.Ranges{{From: 4, To: 6}}) {
		t.Errorf("refused %v, rejected %+v; want 0-2 and 4-6", a.Refused, a.Rejected)
	}
	if n := h[1].accounts[0].Read().DeliveredAfterRefusal; n != 1 {
		t.Errorf("%d items of the second branch will come again, want 1: item 0", n)
	}
}
