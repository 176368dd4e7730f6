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
	offerMin = 100 * time.Millisecond
	offerMax = 15 * time.Second
	// patienceMax bounds what a destination may ask a source to wait.
	patienceMax = 5 * time.Minute
)

// A Submitter hands on what a source that can wait has read, and repeats what is refused. Such a source is its own queue: a
// file, a journal. Those that cannot wait have a Backlog.
type Submitter struct {
	settings pipeline.Settings
	next     pipeline.Sink
	refused  prometheus.Counter
	told     throttle.Line // of refusals
}

// NewSubmitter makes a Submitter that counts refusals.
func NewSubmitter(s pipeline.Settings, next pipeline.Sink, refused prometheus.Counter) *Submitter {
	return &Submitter{settings: s, next: next, refused: refused}
}

// Backoff is the waits between the attempts of one batch.
func (o *Submitter) Backoff() backoff.Backoff { return backoff.Backoff{Min: offerMin, Max: offerMax} }

// Submit is one attempt. The reservation of memory lasts as long as the call: a batch that waits for its next attempt must
// not keep the receivers beside this one out.
func (o *Submitter) Submit(ctx context.Context, b pipeline.Batch) error {
	lease, err := o.settings.Budget.Reserve(len(b.Request))
	if err != nil {
		return err
	}
	defer lease.Release()
	return o.next.Consume(ctx, b)
}

// Pause follows a refused attempt: it waits until the next one is due or ctx ends. The log has one line a minute.
func (o *Submitter) Pause(ctx context.Context, err error, pause *backoff.Backoff) {
	o.refused.Inc()
	if !errors.Is(err, context.Canceled) {
		if suppressed, due := o.told.Now(); due {
			o.settings.Log.Warn("the pipeline refuses records; they are sent again, and reading is paused meanwhile", "error", err, "suppressed", suppressed)
		}
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
