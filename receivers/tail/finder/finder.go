// Package finder finds files: those that globs give, again and again at little cost, and those that stand beside one
// under another name.
package finder

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// File is one file that a glob gave.
type File struct {
	Path string // where a symbolic link to a file leads; folders on the way stay as they were named
	Stat fileid.Stat
	In   *Folder // the listing that gave it; nil: a link or the glob itself did
}

// Finder expands globs into files, again and again. It remembers folders: as long as a folder's modification
// time stands, its names and the identities behind them are what they were, so that a sweep over twenty thousand
// quiet folders is one stat each and opens none. Where the kernel tells of changes (watch.go) it is not even that.
type Finder struct {
	include, exclude []Glob
	roots            []string // see FollowLinks
	unreadable       func(path string, err error)

	watches watches
	folders map[string]*Folder
	changed map[string]bool // folders of which the kernel told, since the last FindChanged
	round   int             // counts Find and FindChanged
	sweep   int             // counts Find
	partial bool            // folders that did not change are passed over
	now     time.Time

	out  []File
	seen map[string]bool // paths given in this round
}

// Folder is a listing of a directory, and what is known of it since.
type Folder struct {
	modified int64 // its modification time when it was listed, ns
	before   seen  // what the listing before saw
	listed   time.Time
	checked  time.Time // when its modification time was last asked for
	round    int       // when it was last looked at
	sweep    int       // when it was last asked for by a glob's walk from its root
	asked    []ask     // since then
	names    []name
	watch    int  // what the kernel calls our watch of it; 0: none
	changed  bool // the kernel told of a change since the listing
	remote   bool // its times are not to be trusted
}

// seen is what a listing of a folder saw.
type seen struct {
	modified int64 // the folder's modification time; 0: there was no listing
	settled  bool
	names    []name
}

type name struct {
	base string
	mode fs.FileMode // type bits: regular, directory or symbolic link
	stat fileid.Stat // of a regular file; zero before it was asked for
}

const (
	// Settle is how old a folder's modification time must be for a listing to be believed: two changes may share
	// one tick of the file system's clock (4 ms on Linux), and the listing fell between them.
	Settle = 100 * time.Millisecond
	// settleCoarse is the same where times are whole seconds (ext2, NFS) or two (FAT).
	settleCoarse = 2*time.Second + Settle
	// believe bounds how long a listing is used at all, and how long the kernel is believed that a folder did not change.
	believe = 10 * time.Second
	// believeRemote is the same for file systems that keep folders' times for themselves: network file systems.
	believeRemote = time.Second
)

// New makes a finder of the files that one of include gives and none of exclude. unreadable is told what could not be
// looked at.
func New(include, exclude []Glob, unreadable func(path string, err error)) *Finder {
	return &Finder{include: include, exclude: exclude, unreadable: unreadable, folders: map[string]*Folder{}, changed: map[string]bool{}, seen: map[string]bool{}}
}

// Missing are the globs of which not even the folder before the first wildcard is there.
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

// Find expands the globs. The result is good until the next call.
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
	return f.out
}

// FindChanged is what the globs give in the folders that changed, as far as the kernel told, and in new ones below them. The
// result is good until the next call of it or of Find.
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
	return f.out
}

// quiet says whether nothing changed in a folder since it was last asked for the same.
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

// place is how a folder was reached.
type place struct {
	depth  int  // of **
	linked bool // through a link that a wildcard gave
	root   bool // by the glob's beginning, which may have links in it
}

// ask is what a folder was asked for.
type ask struct {
	parts []string
	at    place
}

// ask notes what a folder is asked for.
func (d *Folder) ask(sweep int, a ask) {
	if d.sweep != sweep {
		d.sweep, d.asked = sweep, d.asked[:0]
	}
	if !slices.ContainsFunc(d.asked, func(b ask) bool { return a.at == b.at && slices.Equal(a.parts, b.parts) }) {
		d.asked = append(d.asked, a)
	}
}

func (f *Finder) walk(dir string, parts []string, at place) {
	d := f.folder(dir, at.linked || at.root)
	if d == nil {
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
			// Whether it leads to where links may is asked of each file: a glob may give it anyway.
			f.walk(path, parts[1:], place{depth: at.depth, linked: true})
		}
	}
}

var anything = []string{anyDepth, "*"}

// walkAll walks ** from a folder.
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
		// Only real folders: a link that leads upward would go round for ever.
		if !d.names[i].mode.IsDir() {
			continue
		}
		if path := filepath.Join(dir, d.names[i].base); !f.partial || !f.quiet(path) {
			f.walk(path, parts, at)
		}
	}
}

// folder lists a directory, or remembers. linked: a folder on the way may be a link, which nobody tells of.
func (f *Finder) folder(dir string, linked bool) *Folder {
	d := f.folders[dir]
	if d != nil && d.round == f.round {
		return d
	}
	if d != nil && d.watch != 0 && !d.changed && !linked && f.now.Sub(d.checked) < believe && f.now.After(d.checked) {
		return f.remembered(d)
	}
	s, err := fileid.StatPath(dir)
	if err != nil || !s.Mode.IsDir() {
		if err != nil {
			f.failed(dir, err)
		}
		return nil
	}
	if d != nil && d.modified == s.Modified && d.settled() && !d.changed && f.now.Sub(d.listed) < d.believed() {
		d.checked = f.now
		return f.remembered(d)
	}
	next := &Folder{modified: s.Modified, listed: f.now, checked: f.now, round: f.round}
	if d != nil {
		next.before, next.sweep, next.asked = d.last(), d.sweep, d.asked
	}
	f.watches.add(dir, next) // before it is read, so that nothing falls between
	entries, err := os.ReadDir(dir)
	if err != nil && len(entries) == 0 {
		f.unreadable(dir, err)
		return nil
	}
	next.names = make([]name, len(entries))
	for i, e := range entries {
		next.names[i] = name{base: e.Name(), mode: e.Type()}
	}
	f.folders[dir] = next
	return next
}

func (f *Finder) remembered(d *Folder) *Folder {
	d.round, d.before = f.round, d.last()
	return d
}

// believed is how long a listing is used.
func (d *Folder) believed() time.Duration {
	if d.remote {
		return believeRemote
	}
	return believe
}

// settled says whether the listing saw all that shares its modification time.
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

// Listing is what the listing saw.
func (d *Folder) Listing() Listing { return Listing{d.last()} }

// Before is the listing of a folder before the last one.
func (f *Finder) Before(dir string) Listing {
	if d := f.folders[dir]; d != nil {
		return Listing{d.before}
	}
	return Listing{}
}

// Known says whether there was such a listing.
func (l Listing) Known() bool { return l.seen.modified != 0 }

// Saw says whether a file that was born then and is now called base was there at the listing, or earlier.
func (l Listing) Saw(base string, born time.Time) bool {
	switch last := time.Unix(0, l.seen.modified); {
	case born.After(last):
		return false
	case born.Before(last) || l.seen.settled:
		return true
	}
	// In the same tick of the clock as the last change that the listing saw.
	return slices.ContainsFunc(l.seen.names, func(n name) bool { return n.base == base })
}

// failed tells of what could not be looked at, unless it is just not there.
func (f *Finder) failed(path string, err error) {
	if !os.IsNotExist(err) {
		f.unreadable(path, err)
	}
}

// file gives one file, if it is wanted and is one. n is its place in the folder d, where there is one. linked: a
// folder on the way may be a link.
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
	found := File{Path: path, Stat: s}
	if n != nil {
		found.In = d
	}
	f.out = append(f.out, found)
}
