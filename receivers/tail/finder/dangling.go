package finder

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// links is what the finder remembers of symbolic links.
type links struct {
	names    map[string]listedName // by the path that they lead to
	nowhere  map[string]*dangling  // by the link's path
	dangling atomic.Int64          // of nowhere, those that are told
	told     func(n int, link, target string)
}

type listedName struct {
	link, as string
	sweep    int // that found it last
}

// dangling is a link whose target does not exist.
type dangling struct {
	since time.Time
	sweep int
	told  bool
}

// danglingAfter is how long a link must lead nowhere: for a moment, the kubelet's do when a container comes or goes.
const danglingAfter = 10 * time.Second

// TellDangling sets what is called once for links that have led nowhere for ten seconds: how many are new, and one of them.
func (f *Finder) TellDangling(told func(n int, link, target string)) { f.links.told = told }

// Dangling returns how many such links there are. It may be called at any time.
func (f *Finder) Dangling() int64 { return f.links.dangling.Load() }

// NameBy sets which names tell what a file is better than the path that they lead to.
func (f *Finder) NameBy(telling func(path string) bool) { f.telling = telling }

// NameOf returns the telling name by which a link led to path; empty if path itself tells, or nothing does.
func (f *Finder) NameOf(path string) string { return f.links.names[path].as }

// LeaveOut sets which files are left out by the name that tells what they are, besides those that the globs exclude.
func (f *Finder) LeaveOut(left func(name string) bool) { f.left = left }

// Excluded reports whether a file is left out, by its path or by its telling name, which may be empty.
func (f *Finder) Excluded(path, as string) bool {
	if matchAny(f.exclude, path) || as != "" && matchAny(f.exclude, as) {
		return true
	}
	return f.left != nil && f.left(cmp.Or(as, path))
}

// chosen removes from the result what only a telling name, perhaps found after the file, leaves out.
func (f *Finder) chosen() []File {
	f.out = slices.DeleteFunc(f.out, func(found File) bool {
		as := f.NameOf(found.Path)
		return as != "" && matchAny(f.exclude, as) || f.left != nil && f.left(cmp.Or(as, found.Path))
	})
	return f.out
}

// LinkOf returns the link that led to path; empty if none did.
func (f *Finder) LinkOf(path string) string { return f.links.names[path].link }

// Chosen reports whether the globs choose a file, by its path or by the link that led to it, which may be empty.
func (f *Finder) Chosen(path, link string) bool {
	return matchAny(f.include, path) || link != "" && matchAny(f.include, link)
}

// name notes how link led to path. On a node with Docker, /var/log/containers/x.log leads to a pod's log, which leads to a
// file that is named after the container's id.
func (f *Finder) name(link, path string) {
	known, ok := f.links.names[path]
	if !ok || known.link != link && known.as == "" {
		known = listedName{link: link}
		for at, hops := link, 0; f.telling != nil && !f.telling(path) && at != "" && hops < maxHops; hops++ {
			if f.telling(at) {
				known.as = at
			}
			at = target(at)
		}
	}
	known.sweep = f.sweep
	f.links.names[path] = known
}

// maxHops limits a chain of links, as the kernel does.
const maxHops = 40

// target is where a link leads, one hop; empty if it is none.
func target(link string) string {
	to, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(filepath.Dir(link), to)
	}
	return to
}

// nowhere notes a link whose target does not exist, if path is one.
func (f *Finder) nowhere(path string) {
	if _, err := os.Stat(path); !os.IsNotExist(err) || target(path) == "" {
		return
	}
	d := f.links.nowhere[path]
	if d == nil {
		d = &dangling{since: f.now}
		f.links.nowhere[path] = d
	}
	d.sweep = f.sweep
}

// judgeLinks forgets links that are gone and tells those that lead nowhere for long.
func (f *Finder) judgeLinks() {
	for path, n := range f.links.names {
		if n.sweep != f.sweep {
			delete(f.links.names, path)
		}
	}
	all, fresh, example := 0, 0, ""
	for path, d := range f.links.nowhere {
		if d.sweep != f.sweep {
			delete(f.links.nowhere, path)
			continue
		}
		if f.now.Sub(d.since) < danglingAfter {
			continue
		}
		if all++; !d.told {
			d.told = true
			if fresh++; example == "" || path < example {
				example = path
			}
		}
	}
	f.links.dangling.Store(int64(all))
	if fresh > 0 && f.links.told != nil {
		f.links.told(fresh, example, target(example))
	}
}
