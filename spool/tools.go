package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// A SegmentReport is what Inspect says of one file.
type SegmentReport struct {
	File       string
	First, End Seq
	Totals     Totals
	Bytes      int64
	Closed     bool // it has a footer
	Error      error
}

// A Report is what Inspect says of a directory.
type Report struct {
	Segments  []SegmentReport
	Cursor    Seq    // all below it are settled; 0 without a cursor
	Beyond    uint64 // records settled behind the cursor
	Unsettled uint64 // records neither settled nor known to be lost
}

// A Damage is one place that Verify cannot read.
type Damage struct {
	File    string
	Offset  int64
	Bytes   int64  // zeros at its end included
	Records uint64 // lost in it, as far as numbers tell
	Kind    string // "header", "record", "body", "gap", "cursor", "unreadable"
}

// found is a segment of a directory that is not ours to change: another process may write it.
type found struct {
	*segment
	name string
	file File
	size int64
	err  error
}

// segmentsIn gives each segment file of dir in order, with the number that its records are below.
func segmentsIn(dir string, yield func(f found, limit Seq) error) error {
	var fsys OS
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot read directory %s: %w", dir, err)
	}
	entries = slices.DeleteFunc(entries, func(e Info) bool {
		_, ok := parseName(e.Name)
		return !ok || e.Dir
	})
	slices.SortFunc(entries, func(a, b Info) int {
		x, _ := parseName(a.Name)
		y, _ := parseName(b.Name)
		return int(int64(x) - int64(y))
	})
	for i, e := range entries {
		limit := maxSeq
		if i+1 < len(entries) {
			limit, _ = parseName(entries[i+1].Name)
		}
		f := found{name: filepath.Join(dir, e.Name), size: e.Size}
		if f.file, err = fsys.Open(f.name, ModeRead); err != nil {
			if notExist(err) {
				continue // settled meanwhile
			}
			f.err = err
		} else {
			f.segment, f.err = loadHeader(f.file, f.size)
		}
		err := yield(f, limit)
		if f.file != nil {
			_ = f.file.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Inspect reads totals and cursor of a log without taking its lock. A segment that is being written is scanned.
func Inspect(dir string) (Report, error) {
	var r Report
	cur, err := readCursor(OS{}, filepath.Join(dir, "cursor"))
	settled := settledIn(dir)
	if err == nil && cur != nil {
		r.Cursor = settled[0].to
	}
	for _, s := range settled[1:] {
		r.Beyond += uint64(s.to - s.from)
	}
	err = segmentsIn(dir, func(f found, limit Seq) error {
		s := SegmentReport{File: f.name, Bytes: f.size, Error: f.err}
		if f.err == nil {
			if s.Closed = f.loadFooter(f.file, f.size, limit); !s.Closed {
				_, _, s.Error = f.scan(f.file, f.size, limit)
			}
			s.First, s.End, s.Totals = f.first, f.end, f.total
			if open := settled.lacks(f.first, f.end); open > f.holes {
				r.Unsettled += open - f.holes
			}
		}
		r.Segments = append(r.Segments, s)
		return nil
	})
	return r, err
}

// Scan gives every whole record of a directory, settled ones included, without taking the lock. An Entry is only valid in the call.
func Scan(dir string, yield func(Entry) error) error {
	return segmentsIn(dir, func(f found, limit Seq) error {
		if f.err != nil {
			return nil
		}
		w := newWalker(f.file, f.seed, f.hint)
		w.end, w.limit, w.hard = f.size, limit, true
		return w.scan(func(loss) {}, func(_ step, e Entry) error { return yield(e) })
	})
}

// settledIn is what a directory's cursor says is settled: nothing where it is damaged or not there.
func settledIn(dir string) spans {
	if cur, err := readCursor(OS{}, filepath.Join(dir, "cursor")); err == nil && cur != nil {
		return cur.settled
	}
	return spans{{0, 1}}
}

// openNow is how many numbers from to to are not settled. It asks the cursor anew if there are some: they may have been settled, and their
// files removed, since settled was read.
func openNow(dir string, settled *spans, from, to Seq) uint64 {
	if settled.lacks(from, to) == 0 {
		return 0
	}
	*settled = settledIn(dir)
	return settled.lacks(from, to)
}

// ScanUnsettled is Scan without the records that the cursor calls settled. lost is how many of the others cannot be read, as far as
// numbers tell. What another process is writing meanwhile is not lost.
func ScanUnsettled(dir string, yield func(Entry) error) (lost uint64, err error) {
	settled, end := settledIn(dir), Seq(0)
	err = segmentsIn(dir, func(f found, limit Seq) error {
		if f.err != nil {
			if first, _ := parseName(filepath.Base(f.name)); limit < maxSeq {
				lost += openNow(dir, &settled, max(first, end), limit)
				end = limit
			} else if f.size >= dataStart { // else it was only being made
				lost++
			}
			return nil
		}
		if end > 0 || !frontSettled(dir, f) {
			lost += openNow(dir, &settled, end, f.gap)
		}
		w := newWalker(f.file, f.seed, f.hint)
		w.end, w.limit, w.hard = f.size, limit, true
		closed := f.loadFooter(f.file, f.size, limit)
		if closed {
			w.end, w.limit, w.sure = f.data, f.end, f.end
		}
		err := w.scan(func(gone loss) {
			if settled.lacks(gone.from, gone.to) > 0 && (closed || !f.written(gone)) {
				lost += openNow(dir, &settled, gone.from, gone.to)
			}
		}, func(st step, e Entry) error {
			if settled.has(st.seq) {
				return nil
			}
			return yield(e)
		})
		end = w.seq
		return err
	})
	return lost, err
}

// frontSettled reports whether all that is missing in front of the first segment was settled, as far as one can know.
func frontSettled(dir string, f found) bool {
	cur, err := readCursor(OS{}, filepath.Join(dir, "cursor"))
	return err != nil || cur == nil || !cur.summed || f.low
}

// Unsettled adds up what is neither settled nor known to be lost, without taking the lock, and says when the oldest was stored. It
// reads heads only, and of a closed segment with nothing settled in it one.
func Unsettled(dir string) (t Totals, oldest time.Time, err error) {
	settled := settledIn(dir)
	err = segmentsIn(dir, func(f found, limit Seq) error {
		if f.err != nil {
			return nil
		}
		w := newWalker(f.file, f.seed, f.hint)
		w.end, w.limit, w.hard = f.size, limit, true
		closed := f.loadFooter(f.file, f.size, limit)
		if closed {
			w.end, w.limit, w.sure = f.data, f.end, f.end
		}
		if closed && settled.lacks(f.first, f.end) == 0 {
			return nil
		}
		whole := closed && settled.lacks(f.first, f.end) == uint64(f.end-f.first)
		if whole {
			t.add(f.total)
		}
		for {
			st, ok, err := w.find(w.seq, func(loss) {})
			if err != nil || !ok {
				return err
			}
			w.accept(st)
			if settled.has(st.seq) {
				continue
			}
			if oldest.IsZero() {
				oldest = time.Unix(0, st.time)
			}
			if whole {
				return nil
			}
			t.add(st.totals())
		}
	})
	return t, oldest, err
}

// Verify reads all of a directory without taking the lock, and reports what is damaged. It calls progress, which may be nil, with bytes.
// What another process is writing meanwhile is no damage.
func Verify(dir string, progress func(done, total int64)) ([]Damage, error) {
	var out []Damage
	var done, total int64
	entries, err := OS{}.ReadDir(dir)
	for _, e := range entries {
		if _, ok := parseName(e.Name); ok {
			total += e.Size
		}
	}
	if err == nil {
		if _, bad := readCursor(OS{}, filepath.Join(dir, "cursor")); bad != nil {
			out = append(out, Damage{File: filepath.Join(dir, "cursor"), Kind: "cursor"})
		}
		end, settled := Seq(0), settledIn(dir)
		err = segmentsIn(dir, func(f found, limit Seq) error {
			if f.err != nil && f.size == 0 && limit == maxSeq {
				return nil // it was only being made
			}
			if f.err != nil {
				kind := "unreadable"
				if errors.Is(f.err, errDamaged) {
					kind = "header"
				}
				out = append(out, Damage{File: f.name, Bytes: f.size, Kind: kind})
			} else {
				if n := openNow(dir, &settled, end, f.gap); n > 0 && (end > 0 || !frontSettled(dir, f)) {
					out = append(out, Damage{File: f.name, Records: n, Kind: "gap"})
				}
				out = append(out, verify(f, limit)...)
				end = f.end
			}
			if done += f.size; progress != nil {
				progress(done, total)
			}
			return nil
		})
	}
	return out, err
}

func verify(f found, limit Seq) (out []Damage) {
	closed := f.loadFooter(f.file, f.size, limit)
	w := newWalker(f.file, f.seed, f.hint)
	w.end, w.limit, w.hard = f.size, limit, true
	if closed {
		w.end, w.limit, w.sure = f.data, f.end, f.end
	}
	next := f.first
	err := w.scan(func(gone loss) {
		d := Damage{File: f.name, Offset: gone.at, Bytes: gone.until - gone.at, Records: uint64(gone.to - gone.from), Kind: "record"}
		if gone.head > 0 {
			d.Kind = "body"
		}
		if (d.Records > 0 || !zeros(f.file, gone.at, gone.until)) && (closed || !f.written(gone)) {
			out = append(out, d)
		}
	}, func(st step, _ Entry) error { next = st.seq + 1; return nil })
	if err != nil {
		out = append(out, Damage{File: f.name, Kind: "unreadable"})
	}
	if !closed {
		f.end = next
	}
	return out
}

// written reports whether what could not be read in a file without a footer was only being written by another process: a moment later
// it is there.
func (f found) written(gone loss) bool {
	for range 3 {
		time.Sleep(20 * time.Millisecond)
		size, err := f.file.Size()
		if err != nil {
			return false
		}
		again := *f.segment
		if again.loadFooter(f.file, size, maxSeq) && again.data == gone.at {
			return true
		}
		w := newWalker(f.file, f.seed, place{gone.from, gone.at})
		w.end, w.limit = size, maxSeq
		st, ok, err := w.step()
		for ok && err == nil && st.seq == w.seq && st.at == w.off {
			var whole bool
			if _, whole, err = w.body(st, nil); err != nil || !whole {
				break
			}
			if w.accept(st); w.seq >= gone.to {
				return true
			}
			st, ok, err = w.step()
		}
	}
	return false
}

func zeros(f File, at, until int64) bool {
	b := make([]byte, 64<<10)
	for ; at < until; at += int64(len(b)) {
		b = b[:min(int64(len(b)), until-at)]
		if readFull(f, b, at) != nil {
			return false
		}
		for _, c := range b {
			if c != 0 {
				return false
			}
		}
	}
	return true
}
