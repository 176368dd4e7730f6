package journald

import "github.com/sluiceio/sluice/pipeline"

// send delivers batches one by one, to keep the order and to move the cursor only over acknowledged entries.
func (r *Receiver) send() {
	for b := range r.full {
		if r.deliver(b) {
			r.cursor.set(string(b.cursor))
		}
		r.give(b)
	}
}

// deliver retries a batch until it is accepted (true) or the receiver stops. Rejected entries are counted by reason and
// count as accepted.
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
