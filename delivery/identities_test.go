package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/pipeline"
)

// pattern writes equal IDs as equal letters, in the order of the attempts.
func (d *destination) pattern(t *testing.T) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	letters := map[string]byte{}
	for _, id := range d.ids {
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
			t.Errorf("%q is not 32 hex digits", id)
		}
		if letters[id] == 0 {
			letters[id] = byte('a' + len(letters))
		}
		b.WriteByte(letters[id])
	}
	return b.String()
}

func lost(context.Context) answer.Outcome {
	return answer.Outcome{Verdict: answer.Retry, Code: "error", Err: errors.New("reset"), Unsure: true}
}

// TestARepeatHasTheSameID: attempts of a call, and a caller that comes again with the same bytes when its request may have
// arrived, once. Another request has another one, also with equal bytes.
func TestARepeatHasTheSameID(t *testing.T) {
	off := RetryConfig{}
	off.InitialInterval, off.Multiplier, off.MaxInterval = time.Millisecond, 2, time.Second
	for _, c := range []struct {
		name   string
		retry  bool
		answer func(ctx context.Context, n int) answer.Outcome
		bodies []string
		want   string
	}{
		{"attempts", true, func(ctx context.Context, n int) answer.Outcome {
			if n < 3 {
				return lost(ctx)
			}
			return answer.Outcome{}
		}, []string{"one"}, "aaa"},
		{"equal requests", false, func(context.Context, int) answer.Outcome { return answer.Outcome{} }, []string{"one", "one", "two"}, "abc"},
		{"callers that come again", false, func(ctx context.Context, n int) answer.Outcome {
			if n < 3 {
				return lost(ctx)
			}
			return answer.Outcome{}
		}, []string{"one", "two", "one", "one", "two", "two"}, "abacbd"},
		{"refused without doubt", false, func(_ context.Context, n int) answer.Outcome {
			return answer.Outcome{Verdict: answer.Retry, Code: "429", Err: errBusy}
		}, []string{"one", "one"}, "ab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				retry := off
				retry.Enabled = c.retry
				r := newRig(t, Options{Retry: retry}, func(ctx context.Context, n int, _ string) answer.Outcome { return c.answer(ctx, n) })
				for _, b := range c.bodies {
					_ = r.send(t.Context(), b)
				}
				if got := r.pattern(t); got != c.want {
					t.Errorf("the IDs are %s, want %s", got, c.want)
				}
				time.Sleep(repeatsFor + time.Second)
			})
		})
	}
}

// TestACallerThatIsBackBeforeTheAnswer gives its request the ID of the one that is still on the wire; after that, equal bytes
// are another request.
func TestACallerThatIsBackBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxInFlight: 4}, func(context.Context, int, string) answer.Outcome {
			time.Sleep(10 * time.Second)
			return answer.Outcome{}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, refused := pipeline.AsRefused(r.send(ctx, "one")); !refused {
			t.Fatal("the caller was not refused")
		}
		for range 2 {
			if err := r.send(t.Context(), "one"); err != nil {
				t.Error(err)
			}
		}
		if got := r.pattern(t); got != "aab" {
			t.Errorf("the IDs are %s, want aab", got)
		}
	})
}

// TestIDsAreForgotten after ten minutes, and bounded in number.
func TestIDsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Retry: RetryConfig{InitialInterval: time.Millisecond, Multiplier: 2, MaxInterval: time.Second}}, func(ctx context.Context, _ int, _ string) answer.Outcome { return lost(ctx) })
		_ = r.send(t.Context(), "one")
		time.Sleep(repeatsFor + time.Second)
		_ = r.send(t.Context(), "one")
		if got := r.pattern(t); got != "ab" {
			t.Errorf("the IDs are %s, want ab", got)
		}
		for n := range repeatsMost + 100 {
			_ = r.send(t.Context(), fmt.Sprint(n))
		}
		if n := len(r.Sender.ids.ids); n > repeatsMost {
			t.Errorf("%d IDs are kept", n)
		}
	})
}

// TestARecordKeepsItsIDOverARestart, and its pieces have IDs of their own, which are the same when it is divided again.
func TestARecordKeepsItsIDOverARestart(t *testing.T) {
	reject := func(_ context.Context, n int, body string) answer.Outcome {
		return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errBusy, Unsure: true}
	}
	s := newStored(t, reject).start()
	if err := s.sink.Consume(t.Context(), logsOf("a", "b", "c", "d")); err != nil {
		t.Fatal(err)
	}
	for s.dest.attempts() < 2 {
		time.Sleep(time.Millisecond)
	}
	s.stop()
	first := s.dest.pattern(t)
	if strings.Trim(first, "a") != "" {
		t.Errorf("the attempts have the IDs %s", first)
	}
	id := s.dest.ids[0]
	// Now it is rejected as a whole, and each record alone is refused: so it is divided, before and after a restart.
	divided := map[string]int{}
	for range 2 {
		s.dest.ids = nil
		var whole int
		s.dest.answer = func(_ context.Context, _ int, body string) answer.Outcome {
			if whole == 0 {
				whole = len(body)
			}
			if len(body) == whole {
				return answer.Outcome{Verdict: answer.Rejected, Code: "400", Reason: pipeline.DropRejected, Err: errors.New("never")}
			}
			return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errBusy, Unsure: true}
		}
		s.consum = 1
		s.start()
		for s.dest.attempts() < 5 {
			time.Sleep(time.Millisecond)
		}
		s.stop()
		s.dest.mu.Lock()
		if s.dest.ids[0] != id {
			t.Errorf("after a restart the record has the ID %s, and had %s", s.dest.ids[0], id)
		}
		seen := map[string]bool{}
		for _, piece := range s.dest.ids[1:5] {
			if seen[piece] = true; piece == id {
				t.Error("a piece has the ID of the whole")
			}
			divided[piece]++
		}
		if len(seen) != 4 {
			t.Errorf("4 pieces have %d IDs", len(seen))
		}
		s.dest.n = 0
		s.dest.mu.Unlock()
	}
	for piece, n := range divided {
		if n != 2 {
			t.Errorf("the piece %s was sent %d times, want 2", piece, n)
		}
	}
}
