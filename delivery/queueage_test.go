package delivery

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/pipeline"
)

// TestMaxAgeOfWhatWasReadAhead: a record that is too old is not sent, also if a reader held it through the outage.
func TestMaxAgeOfWhatWasReadAhead(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	var sent atomic.Int64
	s := newStored(t, func(context.Context, int, string) answer.Outcome {
		if away.Load() {
			return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errors.New("away")}
		}
		sent.Add(1)
		return answer.Outcome{Code: "200"}
	})
	s.queue.MaxAge = 300 * time.Millisecond
	s.start()
	for range 3 {
		if err := s.sink.Consume(t.Context(), logsOf("old")); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(2 * s.queue.MaxAge)
	away.Store(false)
	for end := time.Now().Add(30 * time.Second); s.account().Stored.Items > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the queue does not end")
		}
	}
	if n := s.account().Dropped[pipeline.DropQueueAge].Items; n != 3 || sent.Load() != 0 {
		t.Errorf("%d dropped and %d requests sent, want 3 and 0", n, sent.Load())
	}
	if err := s.sink.Consume(t.Context(), logsOf("fresh")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); sent.Load() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a fresh record does not pass")
		}
	}
	s.stop()
}
