package journald

import "github.com/sluiceio/sluice/pipeline"

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
// in the receiver's account, by its reason.
func (r *Receiver) deliver(b *batch) bool {
	backoff := r.submitter.Backoff()
	records := pipeline.Batch{Signal: pipeline.Logs, Request: b.request, Items: b.items}
	for r.readingCtx.Err() == nil {
		err := r.submitter.Submit(r.sendingCtx, records)
		if _, again := pipeline.AsRefused(err); !again {
			if err != nil {
				r.settings.Log.Warn("entries were rejected", "error", err)
			}
			return true
		}
		records = records.Remaining(err)
		r.submitter.Pause(r.readingCtx, err, &backoff)
	}
	return false
}
