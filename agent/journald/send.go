package journald

import (
	"context"
	"errors"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

const (
	retryMin = 100 * time.Millisecond
	retryMax = 15 * time.Second
	// patienceMax bounds what a destination may ask us to wait.
	patienceMax = 5 * time.Minute
)

// send is the goroutine that hands batches over, one after the other, so that the journal's order is kept and the
// cursor is always the end of an unbroken acknowledged prefix.
func (r *Receiver) send() {
	for b := range r.full {
		if r.deliver(b) {
			r.cursor.set(string(b.cursor))
		}
		r.give(b)
	}
}

// deliver repeats a batch until it is taken (true) or the receiver stops. What is rejected counts as taken: it is booked
// at the receiver's door under its reason.
func (r *Receiver) deliver(b *batch) bool {
	backoff := pipeline.Backoff{Min: retryMin, Max: retryMax}
	for r.readingCtx.Err() == nil {
		err := r.offer(b)
		refused, again := pipeline.AsRefused(err)
		if !again {
			if err != nil {
				r.settings.Log.Warn("entries were rejected", "error", err)
			}
			return true
		}
		r.refusals.Inc()
		r.troubled(err)
		select {
		case <-time.After(min(max(refused.After, backoff.Next()), patienceMax)):
		case <-r.readingCtx.Done():
		}
	}
	return false
}

// offer is one attempt; the reservation lasts as long as the call.
func (r *Receiver) offer(b *batch) error {
	lease, err := r.settings.Budget.Reserve(len(b.request))
	if err != nil {
		return err
	}
	defer lease.Release()
	return r.next.Consume(r.sendingCtx, pipeline.Batch{Signal: pipeline.Logs, Request: b.request, Items: b.items})
}

// troubled says once, and again each minute, that the pipeline takes nothing.
func (r *Receiver) troubled(err error) {
	now := time.Now().UnixNano()
	last := r.lastTrouble.Load()
	if now-last < int64(time.Minute) || !r.lastTrouble.CompareAndSwap(last, now) || errors.Is(err, context.Canceled) {
		return
	}
	r.settings.Log.Warn("the pipeline refuses entries; the journal waits", "error", err)
}
