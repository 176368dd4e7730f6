package reader

import (
	"errors"
	"os"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

var errRewritten = errors.New("the content is another one")

// split moves the former content, with its outstanding requests, to a new File and restarts f.
func (f *File) split() (old *File) {
	old = &File{Key: f.Key, Path: f.Path, As: f.As, Link: f.Link, wake: make(chan struct{}, 1)}
	old.name.Store(f.Name())
	old.win.Store(f.window())
	old.position = f.position
	old.envelope, old.prefix, old.keep = nil, nil, false
	old.trail.Rest()
	old.anew()
	old.rotated.Store(true)

	f.win.Store(&progress{})
	lines := f.lines
	lines.Restart()
	f.position = position{lines: lines, envelope: f.envelope, prefix: f.prefix[:0], tried: -1}
	f.anew()
	return old
}

// anew makes the next look the first one.
func (f *File) anew() {
	f.seen, f.tried = fileid.Stat{Key: f.Key, Size: -1}, -1
	f.left = false
}

// Move sets the file that has the content. Nobody may be reading it.
func (f *File) Move(s fileid.Stat, name string) {
	f.Key = s.Key
	f.Rename(name)
	f.anew()
	f.window().look(s)
}

// Jump sets a new position. Nobody may be reading the file, and nothing may be outstanding.
func (f *File) Jump(b Begin) {
	w := &progress{}
	w.begin(b)
	w.look(b.Stat)
	f.win.Store(w)
	lines := f.lines
	lines.Restart()
	f.position = position{lines: lines, tried: -1, next: b.Offset, trail: fileid.TrailOf(b.Mark)}
	f.anew()
	if b.Offset == b.Stat.Size {
		f.seen = b.Stat
	}
	f.count(b.Stat.Size)
}

// Place returns how far the file is read, delivered or not. Nobody may be reading it.
func (f *File) Place() int64 { return f.next }

// Orphan records that no file has this content any more.
func (r *Reader) Orphan(f *File) {
	f.deleted.Store(true)
	r.last(f, pipeline.DropTruncatedUnread)
}

// An editor (vim, sed -i) puts another file in the place of a log, with the same content and perhaps more. It is read on.

// Yield asks the reader of a deleted file to end as soon as it has read all, and to keep the file open.
func (f *File) Yield() {
	f.yield.Store(true)
	f.nudge()
}

// TakeYield reports whether Yield was called, and undoes it.
func (f *File) TakeYield() bool { return f.yield.Swap(false) }

// GoesOn reports whether h begins with all of f's content, so that it can be read from where f was. Nobody may be reading f. A
// short content alone does not tell: a program may write the same when it starts anew, so h must have been there before f went.
func (r *Reader) GoesOn(f *File, h *os.File, s fileid.Stat) bool {
	old := r.parked.take(f)
	if old == nil {
		e := f.Content()
		return e.Fingerprint.Full() && e.Size <= s.Size
	}
	was, err := fileid.StatFile(old)
	older := s.Birth != 0 && s.Birth <= was.Changed
	if err != nil || was.Links > 0 || was.Size > s.Size || !fileid.Begins(old, h, was.Size) || was.Size < fileid.FingerprintMax && !older {
		r.parked.park(f, old)
		return false
	}
	old.Close()
	r.open.Add(-1)
	return true
}

// Replace makes f the file of another stat at its path. Nobody may be reading it.
func (f *File) Replace(s fileid.Stat) {
	f.Move(s, f.Name())
	f.deleted.Store(false)
	f.rotated.Store(false)
	f.yield.Store(false)
	f.count(s.Size)
}
