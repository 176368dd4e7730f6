package delivery

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestReport: while the destination is away it says since when and why, and what the queue holds; the error stays known.
func TestReport(t *testing.T) {
	var back atomic.Bool
	s := newStored(t, func(context.Context, int, string) answer.Outcome {
		if back.Load() {
			return answer.Outcome{}
		}
		return answer.Outcome{Verdict: answer.Retry, Err: errors.New("it is busy")}
	})
	settings, _ := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	q := DefaultQueueConfig()
	q.Directory, q.QueueSize = t.TempDir(), 1
	k, err := New(settings, Options{Queue: q, Retry: DefaultRetryConfig(), MaxInFlight: 1}, Watched(s.dest))
	if err != nil {
		t.Fatal(err)
	}
	if !k.disk.carries {
		t.Error("a watched destination does not carry what is stored")
	}
	if r := k.Report(); r.Queue != nil || r.Trouble != nil {
		t.Errorf("before the start: %+v", r)
	}
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		k.Drain()
		_ = k.Stop(t.Context())
	}()
	if err := settings.Entrance(pipeline.Logs, pipeline.SinkFunc(k.Send)).Consume(t.Context(), logsOf("a", "b")); err != nil {
		t.Fatal(err)
	}
	wait := func(what string, is func(pipeline.Report) bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !is(k.Report()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %+v, %+v", what, k.Report(), k.Report().Queue)
			}
		}
	}
	wait("away", func(r pipeline.Report) bool {
		return !r.Since.IsZero() && r.Trouble != nil && r.Trouble.Error() == "it is busy" && r.Queue.Items == 2 && r.Queue.Full && r.Queue.Lanes == 1
	})
	back.Store(true)
	wait("back", func(r pipeline.Report) bool {
		return r.Since.IsZero() && r.Trouble != nil && r.Queue.Records == 0 && !r.Queue.Full
	})
}
