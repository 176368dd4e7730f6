package source

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/backoff"
	"github.com/sluiceio/sluice/pipeline"
)

const (
	repeatMin = 100 * time.Millisecond
	repeatMax = 15 * time.Second
	// patienceMax bounds what a destination may ask a source to wait.
	patienceMax = 5 * time.Minute
)

// A Submitter hands on what a source that can wait has read, and repeats what is refused. Such a source is its own queue: a
// file, a journal. Those that cannot wait have a Backlog.
type Submitter struct {
	settings pipeline.Settings
	next     pipeline.Sink
	refused  prometheus.Counter
	told     atomic.Int64 // when a refusal was last logged, ns
}

// NewSubmitter makes a Submitter that counts refusals.
func NewSubmitter(s pipeline.Settings, next pipeline.Sink, refused prometheus.Counter) *Submitter {
	return &Submitter{settings: s, next: next, refused: refused}
}

// Backoff is the waits between the attempts of one batch.
func (s *Submitter) Backoff() backoff.Backoff { return backoff.Backoff{Min: repeatMin, Max: repeatMax} }

// Submit is one attempt. The reservation of memory lasts as long as the call: a batch that waits for its next attempt must
// not keep the receivers beside this one out.
func (s *Submitter) Submit(ctx context.Context, b pipeline.Batch) error {
	reservation, err := s.settings.Budget.Reserve(len(b.Request))
	if err != nil {
		return err
	}
	defer reservation.Release()
	return s.next.Consume(ctx, b)
}

// Pause follows a refused attempt: it waits until the next one is due or ctx ends. The log has one line a minute.
func (s *Submitter) Pause(ctx context.Context, err error, pause *backoff.Backoff) {
	s.refused.Inc()
	now, told := time.Now().UnixNano(), s.told.Load()
	if now-told >= int64(time.Minute) && !errors.Is(err, context.Canceled) && s.told.CompareAndSwap(told, now) {
		s.settings.Log.Warn("the pipeline refuses records; they are sent again, and reading is paused meanwhile", "error", err)
	}
	asked := time.Duration(0)
	if refused, is := pipeline.AsRefused(err); is {
		asked = refused.After
	}
	wait := pause.Next(asked)
	select {
	case <-time.After(min(wait, patienceMax)):
	case <-ctx.Done():
	}
}
