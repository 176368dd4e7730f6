// Package finder expands globs into files, repeatedly and cheaply, and finds renamed files in a folder.
package finder

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// File is one matched file.
type File struct {
	Path string // symbolic links to files are resolved, folders are not
	Stat fileid.Stat
	In   *Folder // listing that contains it; nil if its folder cannot be read
}

// Finder caches folder listings: while a folder's modification time is unchanged, a sweep costs one stat, or nothing where
// the kernel reports changes (watch.go).
type Finder struct {
	include, exclude []Glob
	roots            []string // see FollowLinks
	unreadable       func(path string, err error)
	telling          func(path string) bool // see NameBy; may be nil
	left             func(name string) bool // see LeaveOut; may be nil
	links            links

	watches watches
	folders map[string]*Folder
	changed map[string]bool // folders with kernel events since the last FindChanged
	round   int             // counts Find and FindChanged
	sweep   int             // counts Find
	partial bool            // skip unchanged folders
	now     time.Time

	out  []File
	seen map[string]bool // paths returned in this round
}

// Folder is a directory listing and its state.
type Folder struct {
	modified int64 // mtime when listed, ns
	before   seen  // previous listing
	listed   time.Time
	checked  time.Time // last mtime check
	round    int       // last use
	sweep    int       // last visit by a full walk
	asked    []ask     // since then
	names    []name
	watch    int  // inotify watch; 0: none
	changed  bool // kernel reported a change since the listing
	remote   bool // mtime is not reliable
}

type seen struct {
	modified int64 // mtime of the folder; 0: no listing
	settled  bool
	names    []name
}

type name struct {
	base string
	mode fs.FileMode // type bits: regular, directory or symbolic link
	stat fileid.Stat // of a regular file; zero until needed
}

const (
	// Settle is the minimum age of a folder's modification time to trust its listing: a second change may fall into the same
	// clock tick (4 ms on Linux).
	Settle = 100 * time.Millisecond
	// settleCoarse is for times in whole seconds (ext2, NFS) or two (FAT).
	settleCoarse = 2*time.Second + Settle
	// believe limits how long a listing, or the kernel's silence, is trusted.
	believe = 10 * time.Second
	// believeRemote is for network file systems.
	believeRemote = time.Second
)

// New makes a finder. unreadable is called for paths that cannot be read.
func New(include, exclude []Glob, unreadable func(path string, err error)) *Finder {
	return &Finder{include: include, exclude: exclude, unreadable: unreadable, folders: map[string]*Folder{}, changed: map[string]bool{}, seen: map[string]bool{},
		links: links{names: map[string]listedName{}, nowhere: map[string]*dangling{}}}
}

// Missing returns the globs whose folder before the first wildcard does not exist.
func (f *Finder) Missing() []string {
	var out []string
	for _, p := range f.include {
		dir := p.root
		if len(p.parts) == 0 {
			dir = filepath.Dir(dir)
		}
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			out = append(out, filepath.Join(append([]string{p.root}, p.parts...)...))
		}
	}
	return out
}

// Find expands the globs. The result is valid until the next call.
func (f *Finder) Find(now time.Time) []File {
	f.begin(now)
	f.sweep++
	for _, p := range f.include {
		if len(p.parts) == 0 {
			f.file(p.root, nil, nil, true)
			continue
		}
		f.walk(p.root, p.parts, place{root: true})
	}
	for path, d := range f.folders {
		if d.sweep != f.sweep {
			f.watches.remove(d)
			delete(f.folders, path)
		}
	}
	f.judgeLinks()
	return f.chosen()
}

// FindChanged searches only folders with kernel events, and new folders below them. The result is valid until the next call
// of it or Find.
func (f *Finder) FindChanged(now time.Time) []File {
	f.begin(now)
	f.partial = true
	defer func() { f.partial = false }()
	for dir := range f.changed {
		if d := f.folders[dir]; d != nil {
			for _, a := range slices.Clone(d.asked) {
				f.walk(dir, a.parts, a.at)
			}
		}
	}
	clear(f.changed)
	return f.chosen()
}

func (f *Finder) quiet(dir string) bool {
	d := f.folders[dir]
	return d != nil && d.watch != 0 && !d.changed && d.sweep == f.sweep
}

func (f *Finder) begin(now time.Time) {
	f.Changed()
	f.round++
	f.now = now
	f.out = f.out[:0]
	clear(f.seen)
}

type place struct {
	depth  int  // levels of **
	linked bool // through a link matched by a wildcard
	root   bool // the glob's fixed prefix, which may contain links
}

type ask struct {
	parts []string
	at    place
}

func (d *Folder) ask(sweep int, a ask) {
	if d.sweep != sweep {
		d.sweep, d.asked = sweep, d.asked[:0]
	}
	if !slices.ContainsFunc(d.asked, func(b ask) bool { return a.at == b.at && slices.Equal(a.parts, b.parts) }) {
		d.asked = append(d.asked, a)
	}
}

func (f *Finder) walk(dir string, parts []string, at place) {
	d, err := f.folder(dir, at.linked || at.root)
	if err != nil {
		if at.linked && os.IsNotExist(err) {
			f.nowhere(dir)
		}
		f.failed(dir, err)
		return
	}
	d.ask(f.sweep, ask{parts, at})
	if parts[0] == anyDepth {
		f.walkAll(d, dir, parts, at)
		return
	}
	for i := range d.names {
		n := &d.names[i]
		if ok, _ := filepath.Match(parts[0], n.base); !ok {
			continue
		}
		path := filepath.Join(dir, n.base)
		switch {
		case len(parts) == 1:
			if !n.mode.IsDir() {
				f.file(path, d, n, at.linked)
			}
		case n.mode.IsDir():
			if f.partial && f.quiet(path) {
				continue
			}
			f.walk(path, parts[1:], place{depth: at.depth, linked: at.linked})
		case n.mode&fs.ModeSymlink != 0:
			// The link target is checked per file: another glob may match it anyway.
			f.walk(path, parts[1:], place{depth: at.depth, linked: true})
		}
	}
}

var anything = []string{anyDepth, "*"}

func (f *Finder) walkAll(d *Folder, dir string, parts []string, at place) {
	if len(parts) == 1 {
		parts = anything
	}
	f.walk(dir, parts[1:], at)
	if at.depth >= maxDepth {
		return
	}
	at.depth, at.root = at.depth+1, false
	for i := range d.names {
		// Only real folders: a link upward would loop.
		if !d.names[i].mode.IsDir() {
			continue
		}
		if path := filepath.Join(dir, d.names[i].base); !f.partial || !f.quiet(path) {
			f.walk(path, parts, at)
		}
	}
}

// folder returns a listing, cached if possible. linked: the path may contain a link, whose changes the kernel does not
// report.
func (f *Finder) folder(dir string, linked bool) (*Folder, error) {
	d := f.folders[dir]
	if d != nil && d.round == f.round {
		return d, nil
	}
	if d != nil && d.watch != 0 && !d.changed && !linked && f.now.Sub(d.checked) < believe && f.now.After(d.checked) {
		return f.remembered(d), nil
	}
	s, err := fileid.StatPath(dir)
	if err != nil {
		return nil, err
	}
	if !s.Mode.IsDir() {
		return nil, fs.ErrNotExist
	}
	if d != nil && d.modified == s.Modified && d.settled() && !d.changed && f.now.Sub(d.listed) < d.believed() {
		d.checked = f.now
		return f.remembered(d), nil
	}
	next := &Folder{modified: s.Modified, listed: f.now, checked: f.now, round: f.round}
	if d != nil {
		next.before, next.sweep, next.asked = d.last(), d.sweep, d.asked
	}
	f.watches.add(dir, next) // before reading, so that no change is missed
	entries, err := os.ReadDir(dir)
	if err != nil && len(entries) == 0 {
		if d == nil {
			f.watches.remove(next)
		}
		return nil, err
	}
	next.names = make([]name, len(entries))
	for i, e := range entries {
		next.names[i] = name{base: e.Name(), mode: e.Type()}
	}
	f.folders[dir] = next
	return next, nil
}

// around returns the listing of a file's folder, which no glob asked for: nil, without complaint, if it cannot be read.
func (f *Finder) around(path string) *Folder {
	d, err := f.folder(filepath.Dir(path), true)
	if err != nil {
		return nil
	}
	d.sweep = f.sweep
	return d
}

func (f *Finder) remembered(d *Folder) *Folder {
	d.round, d.before = f.round, d.last()
	return d
}

func (d *Folder) believed() time.Duration {
	if d.remote {
		return believeRemote
	}
	return believe
}

// settled reports whether the listing saw all changes of its modification time.
func (d *Folder) settled() bool {
	settle := Settle
	if d.modified%int64(time.Second) == 0 {
		settle = settleCoarse
	}
	return d.listed.Sub(time.Unix(0, d.modified)) > settle
}

func (d *Folder) last() seen { return seen{d.modified, d.settled(), d.names} }

// A Listing is what a listing of a folder saw.
type Listing struct{ seen seen }

// Listing returns what the listing saw.
func (d *Folder) Listing() Listing { return Listing{d.last()} }

// Before returns the previous listing of a folder.
func (f *Finder) Before(dir string) Listing {
	if d := f.folders[dir]; d != nil {
		return Listing{d.before}
	}
	return Listing{}
}

// Known reports whether there was such a listing.
func (l Listing) Known() bool { return l.seen.modified != 0 }

// Saw reports whether a file with this birth and current name existed at the listing.
func (l Listing) Saw(base string, born time.Time) bool {
	switch last := time.Unix(0, l.seen.modified); {
	case born.After(last):
		return false
	case born.Before(last) || l.seen.settled:
		return true
	}
	// Same clock tick as the last change that the listing saw.
	return slices.ContainsFunc(l.seen.names, func(n name) bool { return n.base == base })
}

func (f *Finder) failed(path string, err error) {
	if !os.IsNotExist(err) {
		f.unreadable(path, err)
	}
}

// file adds a matching regular file; n is its entry in d, if any.
func (f *Finder) file(path string, d *Folder, n *name, linked bool) {
	if matchAny(f.exclude, path) {
		return
	}
	if link := n == nil || n.mode&fs.ModeSymlink != 0; link || linked {
		real, ok := f.follow(path)
		if !ok {
			return
		}
		if link && real != path {
			f.name(path, real)
			path, n = real, nil
			if matchAny(f.exclude, path) {
				return
			}
		}
	}
	if f.seen[path] {
		return
	}
	f.seen[path] = true
	if n == nil {
		d = f.around(path) // before the file is looked at: what the listing saw was not at the path since
	}
	var s fileid.Stat
	if n != nil && n.stat.Key != (fileid.Key{}) {
		s = n.stat
	} else {
		var err error
		if s, err = fileid.StatPath(path); err != nil {
			f.failed(path, err)
			return
		}
		if n != nil {
			n.stat = s
		}
	}
	if !s.Regular() {
		if !s.Mode.IsDir() {
			f.unreadable(path, fileid.ErrNotRegular)
		}
		return
	}
	f.out = append(f.out, File{Path: path, Stat: s, In: d})
}
