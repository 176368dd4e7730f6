package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	offerMin = 100 * time.Millisecond
	offerMax = 15 * time.Second
	// patienceMax bounds what a destination may ask a source to wait.
	patienceMax = 5 * time.Minute
)

// An Offerer hands over what a source that can wait has read, and bears with refusals. Such a source is its own queue: a
// file, a journal. Those that cannot wait have a Handover.
type Offerer struct {
	settings Settings
	next     Sink
	refused  prometheus.Counter
	told     atomic.Int64 // when a refusal was last logged, ns
}

// NewOfferer makes an Offerer that counts refusals.
func NewOfferer(s Settings, next Sink, refused prometheus.Counter) *Offerer {
	return &Offerer{settings: s, next: next, refused: refused}
}

// Backoff is the waits between the attempts of one batch.
func (o *Offerer) Backoff() Backoff { return Backoff{Min: offerMin, Max: offerMax} }

// Offer is one attempt. The reservation of memory lasts as long as the call: a batch that waits for its next attempt must
// not keep the receivers beside this one out.
func (o *Offerer) Offer(ctx context.Context, b Batch) error {
	lease, err := o.settings.Budget.Reserve(len(b.Request))
	if err != nil {
		return err
	}
	defer lease.Release()
	return o.next.Consume(ctx, b)
}

// Pause follows a refused attempt: it waits until the next one is due or ctx ends. The log has one line a minute.
func (o *Offerer) Pause(ctx context.Context, err error, backoff *Backoff) {
	o.refused.Inc()
	now, told := time.Now().UnixNano(), o.told.Load()
	if now-told >= int64(time.Minute) && !errors.Is(err, context.Canceled) && o.told.CompareAndSwap(told, now) {
		o.settings.Log.Warn("the pipeline refuses records; reading waits", "error", err)
	}
	wait := backoff.Next()
	if refused, is := AsRefused(err); is {
		wait = max(wait, refused.After)
	}
	select {
	case <-time.After(min(wait, patienceMax)):
	case <-ctx.Done():
	}
}
