package reader

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

type pass struct {
	r    *Reader
	f    *File
	h    io.ReaderAt
	b    *record.Batch
	buf  []byte
	last bool // end of file: deliver unfinished lines and records too
}

var errBlocked = errors.New("the pipeline has not taken what was read before")

// fill reads into one batch, until it is full or nothing complete is left, and sends it. errBlocked is the backpressure: the
// window or the memory limit is full. more: call again.
func (r *Reader) fill(f *File, h io.ReaderAt, last bool) (more bool, err error) {
	b, err := r.begin(f)
	if err != nil {
		return false, err
	}
	from := f.next
	p := pass{r: r, f: f, h: h, b: b, buf: r.blocks.Get().([]byte), last: last}
	f.lines.To(b, uint64(time.Now().UnixNano()))
	more, err = p.run()
	r.blocks.Put(p.buf)
	f.lines.To(nil, 0)

	f.records += int64(b.Items())
	f.bytes += f.next - from
	r.metrics.Bytes.Add(float64(f.next - from))
	f.unread.Store(max(0, f.seen.Size-f.next))
	r.end(f, b, more, f.next != from)
	return more, err
}

// begin takes a batch for f; errBlocked if there is no room.
func (r *Reader) begin(f *File) (*record.Batch, error) {
	if f.blocked = f.window().full(r.cfg.MaxInFlight); f.blocked != nil {
		return nil, errBlocked
	}
	_, waiting := f.lines.Waiting()
	b, ok := r.takeBatch(max(0, f.seen.Size-f.next)+int64(waiting), f.envelope)
	if !ok {
		return nil, errBlocked
	}
	return b, nil
}

// end sends the batch, or gives it back. moved says that the position did.
func (r *Reader) end(f *File, b *record.Batch, more, moved bool) {
	r.metrics.count(f.lines.TakeCounts())
	resume := f.lines.Resume(f.next)
	if b.Items() > 0 {
		r.deliver(f, f.call(resume, b.Items()), b, more)
		return
	}
	if moved { // nothing to send, but NULs, or lines of an unfinished record
		if w, c := f.window(), f.call(resume, 0); !w.grow(c) {
			w.settle(w.launch(c))
		}
	}
	r.giveBatch(b)
}

// release sends what has waited long enough for its next line.
func (r *Reader) release(f *File) error {
	now := uint64(time.Now().UnixNano())
	if due := f.due(); due == 0 || due > now {
		return nil
	}
	b, err := r.begin(f)
	if err != nil {
		return err
	}
	f.lines.To(b, now)
	f.lines.Release(now, f.whole())
	f.lines.To(nil, 0)
	r.end(f, b, false, false)
	return nil
}

// due is when something is to be released, in ns since 1970; 0: nothing waits.
func (f *File) due() uint64 { return f.lines.Due(f.whole()) }

// whole reports whether the runtime goes on with its lines in this file, if at all.
func (f *File) whole() bool { return !f.rotated.Load() && !f.deleted.Load() }

// last sends what waited for its next line in a file that is gone; without memory for that, it is lost. Nobody may be reading
// it.
func (r *Reader) last(f *File, why pipeline.Reason) {
	n, size := f.lines.Waiting()
	if n == 0 {
		return
	}
	pool := r.small
	if size > smallBatch/2 {
		pool = r.large
	}
	if !r.memory.TryAcquire(int64(pool.Size())) {
		r.Lose(why, n, int64(size))
		return
	}
	f.envelope = r.cfg.Origin.Envelope(f.Path, f.As)
	b := pool.Get(f.envelope)
	f.lines.To(b, uint64(time.Now().UnixNano()))
	f.lines.FinishAll()
	f.lines.To(nil, 0)
	r.end(f, b, true, false)
	f.envelope = nil
}

// call makes the call for what was read last; it is to be launched.
func (f *File) call(resume int64, items int) *call {
	c := &call{resume: resume, mark: f.trail.Mark(), items: items}
	if !f.lines.Owes() {
		c.after, f.owes = f.owes, nil
	}
	return c
}

// run returns true if the batch is full, false if nothing complete is left.
func (p *pass) run() (more bool, err error) {
	for {
		if p.f.skip > 0 {
			if more, err := p.search(); more || err != nil || p.f.skip > 0 {
				return more, err
			}
		}
		chunk, err := p.read(p.f.next)
		if err != nil {
			return false, err
		}
		used, full := p.f.lines.Take(chunk, p.f.next)
		p.f.pass(chunk[:used])
		if full {
			return true, nil
		}
		rest := chunk[used:]
		switch {
		case p.f.next+int64(len(rest)) < p.f.seen.Size && used > 0:
			// There is more: the rest is read again with it.
		case len(rest) == 0:
			if p.last {
				p.f.lines.FinishAll()
			}
			return false, nil
		case rest[0] == 0:
			n := len(rest) - len(bytes.TrimLeft(rest, "\x00"))
			if n == len(rest) {
				// NULs up to the end of the chunk: a hole, or a preallocated file.
				p.f.skip, p.f.nuls = p.f.next+int64(n), true
				break
			}
			p.f.pass(rest[:n])
			p.f.lines.SkipNULs(n)
		case len(rest) >= p.f.lines.Longest():
			p.f.skip, p.f.nuls = p.f.next+int64(len(rest)), false
		case p.last:
			if !p.f.lines.Fits(len(rest)) {
				return true, nil
			}
			p.f.lines.Line(rest, p.f.next)
			p.f.pass(rest)
			p.f.lines.FinishAll()
			return false, nil
		default:
			p.f.tried = p.f.next + int64(len(rest))
			return false, nil
		}
	}
}

func (f *File) pass(b []byte) {
	f.trail.Add(f.next, b)
	f.next += int64(len(b))
}

// search looks, from f.skip, for the end of an overlong line or a run of NULs, processes what it ends, and resets f.skip.
// more: the batch is full and the end is still to be processed.
func (p *pass) search() (more bool, err error) {
	f := p.f
	for {
		if p.r.readingCtx.Err() != nil {
			return false, nil // continues here, or at the next start
		}
		chunk, err := p.read(f.skip)
		if err != nil {
			return false, err
		}
		end := -1
		if f.nuls {
			if n := len(chunk) - len(bytes.TrimLeft(chunk, "\x00")); n < len(chunk) {
				end = n
			}
		} else {
			end = bytes.IndexByte(chunk, '\n')
		}
		switch {
		case end >= 0 && f.nuls:
			f.trail.Add(f.skip, chunk[:end])
			f.lines.SkipNULs(int(f.skip + int64(end) - f.next))
			f.next, f.skip = f.skip+int64(end), 0
			return false, nil
		case end >= 0:
			f.trail.Add(f.skip, chunk[:end+1])
			return p.overlong(f.skip+int64(end), 1)
		case len(chunk) > 0:
			f.skip += int64(len(chunk))
			if file, ok := p.h.(*os.File); ok && f.nuls {
				f.skip = fileid.NextData(file, f.skip, f.seen.Size)
			}
		case p.last && f.nuls:
			f.next, f.skip = f.skip, 0
			return false, nil
		case p.last:
			return p.overlong(f.skip, 0)
		default:
			f.tried = f.skip
			return false, nil
		}
	}
}

// overlong delivers the beginning of the line; the rest is not buffered.
func (p *pass) overlong(end int64, newline int) (more bool, err error) {
	f := p.f
	if !f.lines.Fits(f.lines.Longest()) {
		f.skip = end
		return true, nil
	}
	chunk, err := p.read(f.next)
	if err != nil {
		return false, err
	}
	f.lines.Line(chunk[:min(int64(len(chunk)), int64(f.lines.Longest()), end-f.next)], f.next)
	f.next, f.skip = end+int64(newline), 0
	return false, nil
}

// read fills the buffer up to the end of the file or what the batch can hold: more would be read twice.
func (p *pass) read(offset int64) ([]byte, error) {
	want := int64(len(p.buf))
	if left := int64(p.b.Left()); left < want {
		want = max(left, int64(p.f.lines.Longest())+1)
	}
	n, err := p.h.ReadAt(p.buf[:min(want, max(0, p.f.seen.Size-offset))], offset)
	if err == io.EOF {
		err = nil
	}
	return p.buf[:n], err
}
