package reader

import (
	"errors"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

var errRewritten = errors.New("the content is another one")

// split moves the former content, with its outstanding requests, to a new File and restarts f.
func (f *File) split() (old *File) {
	old = &File{Key: f.Key, Path: f.Path, wake: make(chan struct{}, 1)}
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
	if f.lines.Open() {
		r.Lose(pipeline.DropTruncatedUnread, 1, 0)
	}
}
