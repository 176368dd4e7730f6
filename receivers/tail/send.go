package tail

import (
	"bytes"
	"context"
	"io"
	"os"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

const (
	// lookWithin is how long a reader may wait for memory before it looks at its file again.
	lookWithin = 2 * time.Second

	// smallBatch is the size of the buffer for what a slow file has to say between two looks.
	smallBatch = 16 << 10
)

// takeBatch waits for room under max_in_flight_bytes, but no longer than a file may go without being looked at, and
// gives an empty batch: a small one when unread bytes of a file fit.
func (r *Receiver) takeBatch(unread int64, room int) (*batch, bool) {
	pool := &r.large
	if int64(room)+2*unread+512 <= smallBatch {
		pool = &r.small
	}
	if !r.memory.TryAcquire(int64(pool.size)) {
		ctx, cancel := context.WithTimeout(r.readingCtx, lookWithin)
		defer cancel()
		if r.memory.Acquire(ctx, int64(pool.size)) != nil {
			return nil, false
		}
	}
	b := pool.get()
	b.reset(room)
	return b, true
}

// giveBatch takes a batch back.
func (r *Receiver) giveBatch(b *batch) {
	r.memory.Release(int64(b.pool.size))
	b.pool.put(b)
}

// send is the goroutine of one outstanding batch. It repeats what is refused until it is taken: the file is the
// queue. When the receiver stops, what is not taken stays unacknowledged and is read again at the next start;
// only the records of a deleted file have no second chance, and for them it goes on as long as it may.
func (r *Receiver) send(f *file, c *call, b *batch) {
	defer r.sends.Done()
	backoff := r.offers.Backoff()
	records := pipeline.Batch{Signal: pipeline.Logs, Request: b.request, Items: b.items}
	for f.waitTurn(r.patience(f), c) {
		err := r.offers.Offer(r.sendingCtx, records)
		if _, again := pipeline.AsRefused(err); !again {
			if err != nil {
				// Counted at the receiver's door, by its reason.
				r.settings.Log.Warn("records were rejected", "file", f.path, "error", err)
			}
			r.giveBatch(b)
			f.settle(c)
			r.dirty.Store(true)
			return
		}
		f.refuse(c)
		records = records.Remaining(err)
		r.offers.Pause(r.patience(f), err, &backoff)
	}
	r.giveBatch(b)
}

// patience is the context that ends the repeating of a file's batches.
func (r *Receiver) patience(f *file) context.Context {
	if f.deleted.Load() {
		return r.sendingCtx
	}
	return r.readingCtx
}

// lose counts records that nobody can read any more.
func (r *Receiver) lose(why pipeline.Reason, records int, bytes int64) {
	r.settings.Drop(why, pipeline.Logs, records, int(bytes))
	r.metrics.lost.WithLabelValues(string(why)).Add(float64(bytes))
}

// abandon counts what is left of a deleted file that is about to be closed, exactly.
func (r *Receiver) abandon(f *file, h *os.File) {
	var records int
	var size int64
	buf := r.buffers.Get().([]byte)
	defer r.buffers.Put(buf)
	last := byte('\n')
	for {
		n, err := h.ReadAt(buf, f.next+size)
		if n > 0 {
			records += bytes.Count(buf[:n], []byte{'\n'})
			last = buf[n-1]
		}
		size += int64(n)
		if err != nil {
			if err != io.EOF {
				r.complain(f.name(), err)
			}
			break
		}
	}
	if last != '\n' {
		records++
	}
	if size > 0 {
		r.lose(pipeline.DropRotatedUnread, records, size)
		r.settings.Log.Warn("a deleted file is left before its end", "file", f.path, "unread_bytes", size, "records", records)
	}
	f.next += size
	f.unread.Store(0)
}
