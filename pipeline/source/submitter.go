package source

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/backoff"
	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
)

const (
	repeatMin = 100 * time.Millisecond
	repeatMax = 15 * time.Second
	// patienceMax bounds a requested delay.
	patienceMax = 5 * time.Minute
)

// A Submitter hands on what a source that can wait has read, and repeats what is refused. The source (a file, a
// journal) is its own queue.
type Submitter struct {
	settings pipeline.Settings
	next     pipeline.Sink
	refused  prometheus.Counter
	told     throttle.Line // of refusals
}

// NewSubmitter takes a counter of refusals.
func NewSubmitter(s pipeline.Settings, next pipeline.Sink, refused prometheus.Counter) *Submitter {
	return &Submitter{settings: s, next: next, refused: refused}
}

// Backoff is the waits between attempts of one batch.
func (s *Submitter) Backoff() backoff.Backoff { return backoff.Backoff{Min: repeatMin, Max: repeatMax} }

// Submit makes one attempt. It reserves memory for that call only: a batch that waits must not block other
// receivers.
func (s *Submitter) Submit(ctx context.Context, b pipeline.Batch) error {
	reservation, err := s.settings.Budget.Reserve(len(b.Request))
	if err != nil {
		return err
	}
	defer reservation.Release()
	return s.next.Consume(ctx, b)
}

// Pause counts a refusal and waits until the next attempt is due or ctx ends.
func (s *Submitter) Pause(ctx context.Context, err error, pause *backoff.Backoff) {
	s.Refused(err)
	s.Wait(ctx, err, pause)
}

// Refused counts a refusal. It logs once a minute.
func (s *Submitter) Refused(err error) {
	s.refused.Inc()
	if !errors.Is(err, context.Canceled) {
		if suppressed, due := s.told.Now(); due {
			s.settings.Log.Warn("the pipeline refuses records; they are sent again, and reading is paused meanwhile", "error", err, "suppressed", suppressed)
		}
	}
}

// Wait waits until the attempt after a refusal is due or ctx ends.
func (s *Submitter) Wait(ctx context.Context, err error, pause *backoff.Backoff) {
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
