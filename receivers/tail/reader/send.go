package reader

import (
	"context"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

const (
	// lookWithin limits a reader's wait for memory: it must look at its file again.
	lookWithin = 2 * time.Second

	// smallBatch is the buffer size for slow files.
	smallBatch = 16 << 10
)

// takeBatch waits up to lookWithin for room under MaxInFlightBytes. The batch is small if the unread bytes fit.
func (r *Reader) takeBatch(unread int64, e *record.Envelope) (*record.Batch, bool) {
	pool := r.large
	if int64(e.Room())+2*unread+512 <= smallBatch {
		pool = r.small
	}
	if !r.memory.TryAcquire(int64(pool.Size())) {
		ctx, cancel := context.WithTimeout(r.readingCtx, lookWithin)
		defer cancel()
		if r.memory.Acquire(ctx, int64(pool.Size())) != nil {
			return nil, false
		}
	}
	return pool.Get(e), true
}

func (r *Reader) giveBatch(b *record.Batch) {
	r.memory.Release(int64(b.Size()))
	b.Free()
}

// send retries one batch until it is accepted. At a stop, unaccepted batches are left to the next start; those of a deleted
// file are retried until Drain gives up.
func (r *Reader) send(f *File, w *progress, c *call, b *record.Batch) {
	defer r.sends.Done()
	backoff := r.offers.Backoff()
	records := pipeline.Batch{Signal: pipeline.Logs, Request: b.Request(), Items: b.Items()}
	for w.waitTurn(r.patience(f), c) {
		err := r.offers.Submit(r.sendingCtx, records)
		if _, again := pipeline.AsRefused(err); !again {
			r.answers.Add(1)
			if err != nil {
				r.settings.Log.Warn("the pipeline rejected records; they are dropped, and counted by reason", "file", f.Path, "reason", reasonOf(err), "error", err)
			}
			r.giveBatch(b)
			w.settle(c)
			r.changed()
			return
		}
		w.refuse(c)
		records = records.Remaining(err)
		r.offers.Pause(r.patience(f), err, &backoff)
	}
	r.giveBatch(b)
}

func reasonOf(err error) string {
	if rejected, ok := pipeline.AsRejected(err); ok {
		return string(rejected.Reason)
	}
	return "unknown"
}

// patience limits the retries for a file.
func (r *Reader) patience(f *File) context.Context {
	if f.deleted.Load() {
		return r.sendingCtx
	}
	return r.readingCtx
}
