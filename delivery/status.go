package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/pipeline"
)

// Watched is a Destination that remembers its last error, for Report. Errors of destinations have no secrets.
func Watched(d Destination) Destination { return &watched{Destination: d} }

type watched struct {
	Destination
	mu    sync.Mutex
	err   error
	at    time.Time
	since time.Time // since when it takes nothing; zero when it does
}

// Attempt implements Destination.
func (w *watched) Attempt(ctx context.Context, p *payload.Payload) answer.Outcome {
	out := w.Destination.Attempt(ctx, p)
	if errors.Is(ctx.Err(), context.Canceled) {
		return out // the end of the process says nothing of the destination
	}
	away := out.Verdict == answer.Retry || out.Verdict == answer.Misconfigured
	w.mu.Lock()
	defer w.mu.Unlock()
	switch now := time.Now(); {
	case away && w.since.IsZero():
		w.err, w.at, w.since = out.Err, now, now
	case out.Err != nil:
		w.err, w.at = out.Err, now
	}
	if !away {
		w.since = time.Time{}
	}
	return out
}

// Carries implements Carrier.
func (w *watched) Carries() *payload.Compressor {
	if c, is := w.Destination.(Carrier); is {
		return c.Carries()
	}
	return nil
}

// Report says what the queue holds and how the destination is; its errors are known if it is Watched.
func (k *Sender) Report() pipeline.Report {
	r := pipeline.Report{Waiting: k.gate.callers()}
	if w, is := k.dest.(*watched); is {
		w.mu.Lock()
		r.Trouble, r.At, r.Since = w.err, w.at, w.since
		w.mu.Unlock()
	}
	if k.disk == nil {
		return r
	}
	q := k.disk.q.Load()
	if q == nil {
		if err := k.disk.fault.Load(); err != nil {
			r.Trouble, r.At = *err, time.Now()
		}
		return r
	}
	s := q.Status()
	r.Queue = &pipeline.QueueReport{
		Records: s.Records, Items: s.Items, Bytes: s.Bytes, DeadLetters: s.Letters, Oldest: s.Oldest, Lanes: s.Lanes, BlockedLanes: s.Blocked,
		Stalled: k.disk.stalled(s), UntilFull: s.UntilFull,
	}
	stored := map[string]int64{"items": s.Items, "bytes": s.Bytes, "requests": s.Records}
	r.Queue.Full = stored[k.disk.o.Sizer] >= int64(k.disk.o.Size)
	if r.Trouble == nil && s.LastError != nil {
		r.Trouble = s.LastError
	}
	return r
}

// DiskQueue is the open queue on disk, for an operator's commands; nil without one.
func (k *Sender) DiskQueue() *queue.Queue {
	if k.disk == nil {
		return nil
	}
	return k.disk.q.Load()
}

// Ready implements pipeline.Readier: an exporter whose queue is being drained, or cannot be opened, takes nothing.
func (k *Sender) Ready() error {
	if k.disk != nil {
		if err := k.disk.fault.Load(); err != nil {
			return *err
		}
	}
	if q := k.DiskQueue(); q != nil && q.Shut() {
		return errors.New("its queue is being drained by `queue drain`, and takes nothing")
	}
	return nil
}
