package spool

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"sync"
)

// A segment is one file of a log. Log.mu guards what changes.
type segment struct {
	header
	seed    uint32
	end     Seq   // its records are [first, end), those lost in the middle included
	data    int64 // where they end in the file
	start   int64 // where the first begins
	size    int64 // of the file, when it was opened
	total   Totals
	settled Totals
	before  Totals // written to the log before it, lost ones included
	summed  bool   // before is known
	low     bool   // all below it is settled, whatever the cursor says
	holes   uint64 // records that total does not have, because they were lost before it was closed
	hint    place  // a record of it whose offset is known, not behind the first unsettled one

	// Of what this process writes; f is nil when it is closed.
	f       File
	alloc   int64
	named   bool // the directory entry is durable
	durable mileage
}

// A place is where a record begins.
type place struct {
	seq Seq
	off int64
}

// A mileage is how far a segment is durable.
type mileage struct {
	place
	total Totals
}

// part is what of a segment may be read now.
type part struct {
	s    *segment
	end  Seq
	data int64
	hint place
}

// windowSize holds the largest head with its header.
const windowSize = 128 << 10

// A window reads a file through one buffer of fixed size.
type window struct {
	f    File
	buf  []byte
	off  int64 // of buf in the file
	n    int
	end  int64 // nothing behind it is read
	hard bool  // where the disk gives errors, read zeros
	sick bool  // it has
}

// view is n bytes at off, valid until the next call; off+n must not pass the end.
func (w *window) view(off int64, n int) ([]byte, error) {
	if off < w.off || off+int64(n) > w.off+int64(w.n) {
		if err := w.fill(off, n); err != nil {
			return nil, err
		}
	}
	return w.buf[off-w.off:][:n], nil
}

func (w *window) fill(off int64, n int) error {
	size := max(n, 4096)
	if w.n > 0 && off >= w.off && off <= w.off+int64(w.n) {
		size = len(w.buf) // small records, one behind the other
	}
	size = int(min(int64(size), w.end-off))
	w.off, w.n = off, 0
	if err := readFull(w.f, w.buf[:size], off); err != nil {
		if !w.hard {
			return err
		}
		clear(w.buf[:size])
		w.sick = true
	}
	w.n = size
	return nil
}

// read copies len(b) bytes at off: what the window has from there, the rest from the file.
func (w *window) read(b []byte, off int64) error {
	if off >= w.off && off < w.off+int64(w.n) {
		n := copy(b, w.buf[off-w.off:w.n])
		b, off = b[n:], off+int64(n)
	}
	switch {
	case len(b) == 0:
		return nil
	case len(b) <= 32<<10:
		v, err := w.view(off, len(b))
		copy(b, v)
		return err
	}
	err := readFull(w.f, b, off)
	if err != nil && w.hard {
		clear(b)
		w.sick = true
		return nil
	}
	return err
}

// openRead tries again on an error, as readFull does.
func openRead(fsys FS, name string) (f File, err error) {
	for range 3 {
		if f, err = fsys.Open(name, ModeRead); err == nil || notExist(err) {
			break
		}
	}
	return f, err
}

// readFull reads zeros where the file is too short, and tries again on an error: a disk may do it the second time.
func readFull(f File, b []byte, off int64) (err error) {
	for range 3 {
		n, e := f.ReadAt(b, off)
		if n == len(b) {
			return nil
		}
		if errors.Is(e, io.EOF) {
			clear(b[n:])
			return nil
		}
		err = e
	}
	return err
}

// A walker steps over the heads of a segment.
type walker struct {
	window
	seed  uint32
	off   int64 // where the next record should begin
	seq   Seq   // and its number
	limit Seq   // numbers are below it
	sure  Seq   // records below it were there
	bad   loss  // a record with a damaged body, until it is known whether it follows once more
}

func newWalker(f File, seed uint32, at place) *walker {
	w := walkers.Get().(*walker)
	*w = walker{window: window{f: f, buf: w.buf}, seed: seed, off: at.off, seq: at.seq}
	return w
}

var walkers = sync.Pool{New: func() any { return &walker{window: window{buf: make([]byte, windowSize)}} }}

// A step is a head and where it stands.
type step struct {
	head
	at int64
}

// step finds the next whole head at or behind off, with a number from seq on. It moves nothing. ok is false when there is none.
func (w *walker) step() (st step, ok bool, err error) {
	off := w.off
	for w.end-off >= headSize {
		b, err := w.view(off, headSize)
		if err != nil {
			return st, false, err
		}
		if h, fits := parseHead(b); fits && off+h.length() <= w.end && h.seq >= w.seq && h.seq < w.limit {
			if b, err = w.view(off, headSize+int(h.headerLen)); err != nil {
				return st, false, err
			}
			if headSum(b, w.seed) {
				return step{h, off}, true, nil
			}
		}
		if off, err = w.search(off + 1); err != nil {
			return st, false, err
		}
	}
	return st, false, nil
}

// search is where the next mark is, at or behind off.
func (w *walker) search(off int64) (int64, error) {
	for w.end-off >= headSize {
		n := int(min(w.end-off, int64(len(w.buf))))
		have := 0
		if off >= w.off && off < w.off+int64(w.n) {
			have = int(w.off + int64(w.n) - off)
		}
		b, err := w.view(off, min(n, max(len(mark), have)))
		if err != nil {
			return off, err
		}
		if i := bytes.Index(b, mark); i >= 0 {
			return off + int64(i), nil
		}
		off += int64(len(b) - len(mark) + 1)
	}
	return w.end, nil
}

// A loss is what a walk could not read: records [from, to), bytes [at, until). Of a record whose head survived, at head, known has
// the totals.
type loss struct {
	span
	at, until int64
	known     Totals
	head      int64
}

// find goes to the first record at or behind from. What is lost on the way it gives to lost. It does not pass the record: that is
// what accept is for, or reject when its body is damaged.
func (w *walker) find(from Seq, lost func(loss)) (st step, ok bool, err error) {
	for {
		if st, ok, err = w.step(); err != nil {
			return st, false, err
		}
		to, until := st.seq, st.at
		if !ok {
			to, until = max(w.seq, w.sure), w.end
		}
		if bad := w.bad; bad.head > 0 {
			w.bad, w.off = loss{}, bad.at
			if !ok || to > w.seq { // else the same record follows: what was damaged is a piece of it that was doubled
				bad.until = min(until, bad.until)
				lost(bad)
				w.seq, w.off = w.seq+1, bad.until
				to = max(to, w.seq)
			}
		}
		if to > w.seq || until > w.off {
			lost(loss{span: span{w.seq, to}, at: w.off, until: until})
		}
		w.seq, w.off = to, until
		if !ok || st.seq >= from {
			return st, ok, nil
		}
		w.accept(st)
	}
}

func (w *walker) accept(st step) { w.off, w.seq = st.at+st.size(), st.seq+1 }

func (w *walker) reject(st step) {
	w.bad = loss{span{st.seq, st.seq + 1}, st.at, st.at + st.size(), st.totals(), st.at}
	w.off = st.at + int64(len(mark))
}

// body reads header and body of st into buf, which it grows when it must. ok is false when the body is damaged.
func (w *walker) body(st step, buf []byte) (e Entry, ok bool, err error) {
	n := int(st.headerLen) + int(st.bodyLen) // step saw that the file has so many
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if err := w.read(buf, st.at+headSize); err != nil {
		return Entry{Buf: buf}, false, err
	}
	e = Entry{Record{buf[:st.headerLen], buf[st.headerLen:], st.count, st.time, st.weight}, st.seq, buf, false}
	return e, crc32.Checksum(e.Body, castagnoli) == st.bodySum, nil
}

// scan walks over all there is and checks bodies.
func (w *walker) scan(lost func(loss), yield func(step, Entry) error) error {
	var buf []byte
	for {
		st, ok, err := w.find(w.seq, lost)
		if err != nil || !ok {
			return err
		}
		e, whole, err := w.body(st, buf)
		if err != nil {
			return err
		}
		if buf = e.Buf; !whole {
			w.reject(st)
			continue
		}
		if err := yield(st, e); err != nil {
			return err
		}
		w.accept(st)
	}
}
