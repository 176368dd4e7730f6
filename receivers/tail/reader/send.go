package reader

import (
	"context"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/record"
	"github.com/sluiceio/sluice/wire"
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
		r.gather.flush() // what waits there gives its memory back
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

// deliver sends a batch with those of other files or, if it is full, alone.
func (r *Reader) deliver(f *File, c *call, b *record.Batch, full bool) {
	if r.gather.take(f, c, b, full) {
		r.giveBatch(b)
		return
	}
	b.Seal(f.envelope)
	r.sends.Add(1)
	w := f.window()
	w.launch(c)
	go r.send(f, w, c, outgoing{request: b.Request(), items: b.Items(), free: func() { r.giveBatch(b) }})
}

// outgoing is a request of one file.
type outgoing struct {
	request wire.Request
	items   int
	free    func()
	refusal error // of the first attempt, if that was made already
}

// send retries one request until it is accepted. At a stop, unaccepted ones are left to the next start; those of a deleted
// file are retried until Drain gives up.
func (r *Reader) send(f *File, w *progress, c *call, o outgoing) {
	defer r.sends.Done()
	defer o.free()
	backoff := r.offers.Backoff()
	records := logs(o.request, o.items)
	if o.refusal != nil {
		r.offers.Wait(r.patience(f), o.refusal, &backoff)
	}
	for w.waitTurn(r.patience(f), c, r.cfg.MaxInFlight) {
		err := r.offers.Submit(r.sendingCtx, records)
		if _, again := pipeline.AsRefused(err); !again {
			r.answers.Add(1)
			r.rejected(f.Path, err)
			w.settle(c)
			r.changed()
			return
		}
		w.refuse(c)
		records = records.Remaining(err)
		r.offers.Pause(r.patience(f), err, &backoff)
	}
}

func logs(request wire.Request, items int) pipeline.Batch {
	return pipeline.Batch{Signal: pipeline.Logs, Request: request, Items: items}
}

func (r *Reader) rejected(file string, err error) {
	if err != nil {
		r.settings.Log.Warn("the pipeline rejected records; they are dropped, and counted by reason", "file", file, "reason", reasonOf(err), "error", err)
	}
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
