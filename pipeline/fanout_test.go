package pipeline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFanOutRepeatsOnlyTheRefusedBranches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls [3]int
		branch := func(i int, answer func(n int) error) Sink {
			return SinkFunc(func(context.Context, Batch) error {
				calls[i]++
				return answer(calls[i])
			})
		}
		f := fanOutTo([]Sink{
			branch(0, func(int) error { return nil }),
			branch(1, func(n int) error {
				if n < 3 {
					return Refuse(time.Second, errors.New("busy"))
				}
				return nil
			}),
			branch(2, func(int) error { return Reject(1, DropRejected, errors.New("never")) }),
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := f.Consume(ctx, batchOf(1)); err != nil {
			t.Errorf("got %v, want nil: one branch took it and the rejected one is counted at its own door", err)
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
		if _, again := AsRefused(f.Consume(ctx, batchOf(1))); !again || calls != [3]int{1, 2, 1} {
			t.Errorf("a caller that leaves got no refusal, or after %v calls; want 1, 2, 1", calls)
		}
	})
	all := fanOutTo([]Sink{
		SinkFunc(func(context.Context, Batch) error { return Reject(1, DropRejected, errors.New("a")) }),
		SinkFunc(func(context.Context, Batch) error { return Reject(1, DropRejected, errors.New("b")) }),
	})
	if _, never := AsRejected(all.Consume(t.Context(), batchOf(1))); !never {
		t.Error("rejected by every branch is rejected")
	}
}
