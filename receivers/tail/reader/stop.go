package reader

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// StopReading ends all reading without waiting.
func (r *Reader) StopReading() { r.stopReading() }

// drainWait is how long Drain waits for the next answer.
const drainWait = time.Second

// Drain waits for outstanding requests while any is accepted or rejected. It never outlasts ctx. Call StopReading first, and
// no Start after. Unacknowledged records will be read again; of deleted files, see Remains.
func (r *Reader) Drain(ctx context.Context) {
	defer r.stopSending()
	ended := WaitFor(ctx, &r.readers)
	if ctx.Err() != nil {
		r.stopSending()
	}
	r.gather.flush()
	if !ended {
		return // a file system hangs
	}
	r.parked.all(func(f *File, h *os.File) {
		r.leave(f, h)
		r.open.Add(-1)
	})
	defer context.AfterFunc(ctx, r.stopSending)()
	done := make(chan struct{})
	go func() {
		r.sends.Wait()
		close(done)
	}()
	tick := time.NewTicker(drainWait)
	defer tick.Stop()
	for answers := r.answers.Load(); ; {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		now := r.answers.Load()
		if now == answers {
			r.stopSending()
		}
		answers = now
	}
}

// leave closes a file. The unread rest of a deleted file is counted as lost or, at a stop, left to Remains.
func (r *Reader) leave(f *File, h *os.File) {
	if s, err := fileid.StatFile(h); err == nil && s.Links == 0 && !f.window().skips() {
		f.deleted.Store(true)
		if r.readingCtx.Err() != nil && !f.giveUp.Load() {
			f.window().look(s)
			f.rest.Store(h)
			return
		}
		r.abandon(f, h)
	}
	h.Close()
}

// Remains is a deleted file, open, of which something was not delivered.
type Remains struct {
	Entry  checkpoint.Entry
	Handle *os.File
	file   *File
}

// Remains returns what is left of a deleted file after Drain; its handle is nil if nothing can be read any more.
func (r *Reader) Remains(f *File) (left Remains, ok bool) {
	h := f.rest.Swap(nil)
	e := f.Entry(time.Now())
	if f.Deleted() && (f.Outstanding() || h != nil && e.Unread() > 0) {
		return Remains{Entry: e, Handle: h, file: f}, true
	}
	if h != nil {
		h.Close()
	}
	return left, false
}

// Bury counts what is left of deleted files as lost, says so in one line, and closes them.
func (r *Reader) Bury(all []Remains) {
	var records int
	var bytes int64
	for _, left := range all {
		f := left.file
		_, n := f.window().outstanding()
		var unread int64
		if h := left.Handle; h != nil {
			var rest int
			rest, unread = r.rest(f, h)
			n += rest
			h.Close()
		}
		if n > 0 || unread > 0 {
			r.Lose(pipeline.DropRotatedUnread, max(n, 1), unread)
		}
		f.window().cut(left.Entry.Offset) // the next start counts nothing
		records += n
		bytes += max(unread, left.Entry.Unread())
	}
	if records > 0 {
		r.settings.Log.Warn("gave up deleted files at the stop, before they were delivered; the rest is lost and counted as rotated_unread",
			"files", len(all), "file", all[0].Entry.Path, "records", records, "bytes", bytes)
	}
}

// exact is how many bytes of an abandoned file are counted line by line; the rest is estimated.
const exact = 256 << 20

// abandon counts the rest of a deleted file.
func (r *Reader) abandon(f *File, h *os.File) {
	r.last(f, pipeline.DropRotatedUnread)
	records, size := r.rest(f, h)
	if size > 0 {
		_, held := f.window().outstanding()
		r.Lose(pipeline.DropRotatedUnread, max(records, 1), size)
		r.settings.Log.Warn("gave up a deleted file before its end; its rest is lost and counted as rotated_unread", "file", f.Path, "unread_bytes", size, "records", records, "still_sent_records", held)
	}
	f.window().cut(f.next)
	f.next += size
	f.unread.Store(0)
}

// rest returns how many records and bytes were not read yet.
func (r *Reader) rest(f *File, h *os.File) (records int, size int64) {
	buf := r.blocks.Get().([]byte)
	defer r.blocks.Put(buf)
	last := byte('\n')
	for size < exact {
		n, err := h.ReadAt(buf, f.next+size)
		if n > 0 {
			records += bytes.Count(buf[:n], []byte{'\n'})
			last = buf[n-1]
		}
		size += int64(n)
		if err != nil {
			if err != io.EOF {
				r.unreadable(f.Name(), err)
			}
			break
		}
	}
	if s, err := fileid.StatFile(h); err == nil && s.Size > f.next+size {
		rest := s.Size - f.next - size
		records += int(float64(records) * float64(rest) / float64(max(size, 1)))
		size += rest
	} else if last != '\n' {
		records++
	}
	return records, size
}

// hung is the extra time after ctx: only a hanging file system can block longer.
const hung = time.Second

// WaitFor waits for group until a little after ctx ends, and reports whether it finished.
func WaitFor(ctx context.Context, group *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-done:
		return true
	case <-time.After(hung):
		return false
	}
}
