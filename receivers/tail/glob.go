package tail

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A pattern is a path in which each part may use the wildcards of filepath.Match, and a part ** stands for any
// number of folders, also none.
type pattern struct {
	root  string   // what stands before the first wildcard, a folder or the whole path
	parts []string // the rest
}

const anyDepth = "**"

// maxDepth bounds how deep ** goes below its root.
const maxDepth = 32

func parsePattern(s string) (pattern, error) {
	if _, err := filepath.Match(s, ""); err != nil {
		return pattern{}, err
	}
	abs, err := filepath.Abs(s)
	if err != nil {
		return pattern{}, err
	}
	parts := strings.Split(strings.TrimPrefix(abs, "/"), "/")
	n := 0
	for n < len(parts) && !strings.ContainsAny(parts[n], `*?[\`) {
		n++
	}
	return pattern{root: "/" + strings.Join(parts[:n], "/"), parts: parts[n:]}, nil
}

// match says whether an absolute path fits.
func (p pattern) match(path string) bool {
	if len(p.parts) == 0 {
		return path == p.root
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(p.root, "/")+"/")
	return ok && matchParts(p.parts, strings.Split(rest, "/"))
}

func matchParts(pattern, path []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == anyDepth {
			for skip := 0; skip <= len(path); skip++ {
				if matchParts(pattern[1:], path[skip:]) {
					return true
				}
			}
			return false
		}
		if len(path) == 0 {
			return false
		}
		if ok, _ := filepath.Match(pattern[0], path[0]); !ok {
			return false
		}
		pattern, path = pattern[1:], path[1:]
	}
	return len(path) == 0
}

// found is one file that a pattern gave.
type found struct {
	path string // where a symbolic link to a file leads; folders on the way stay as they were named
	stat stat
}

// lister expands patterns into files, again and again. It remembers folders: as long as a folder's modification
// time stands, its names and the identities behind them are what they were, so that a sweep over twenty thousand
// quiet folders is one stat each and opens none.
type lister struct {
	include, exclude []pattern

	folders map[string]*folder
	round   int
	now     time.Time

	out     []found
	seen    map[string]bool // paths given in this round
	problem func(path string, err error)
}

// folder is what is known of a directory.
type folder struct {
	changed int64 // its modification time when it was listed, ns
	listed  time.Time
	round   int // when it was last asked for
	names   []name
}

type name struct {
	base string
	mode fs.FileMode // type bits: regular, directory or symbolic link
	stat stat        // of a regular file; zero before it was asked for
}

const (
	// settle is how old a folder's modification time must be for a listing to be believed: two changes may share
	// one tick of the file system's clock (4 ms on Linux), and the listing fell between them.
	settle = 100 * time.Millisecond
	// believe bounds how long a listing is used at all, for file systems whose folders' times are not to be trusted.
	believe = 10 * time.Second
)

// list expands the patterns. problem is told what could not be looked at. The result is good until the next call.
func (l *lister) list(now time.Time) []found {
	if l.folders == nil {
		l.folders = map[string]*folder{}
	}
	l.round++
	l.now = now
	l.out = l.out[:0]
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	clear(l.seen)
	for _, p := range l.include {
		if len(p.parts) == 0 {
			l.file(p.root, nil)
			continue
		}
		l.walk(p.root, p.parts, 0)
	}
	for path, f := range l.folders {
		if f.round != l.round {
			delete(l.folders, path)
		}
	}
	return l.out
}

func (l *lister) walk(dir string, parts []string, depth int) {
	f := l.folder(dir)
	if f == nil {
		return
	}
	if parts[0] == anyDepth {
		if len(parts) == 1 {
			parts = []string{anyDepth, "*"}
		}
		l.walk(dir, parts[1:], depth)
		if depth >= maxDepth {
			return
		}
		for i := range f.names {
			// Only real folders: a link that leads upward would go round for ever.
			if f.names[i].mode.IsDir() {
				l.walk(filepath.Join(dir, f.names[i].base), parts, depth+1)
			}
		}
		return
	}
	for i := range f.names {
		n := &f.names[i]
		if ok, _ := filepath.Match(parts[0], n.base); !ok {
			continue
		}
		path := filepath.Join(dir, n.base)
		switch {
		case len(parts) == 1:
			if !n.mode.IsDir() {
				l.file(path, n)
			}
		case n.mode.IsDir() || n.mode&fs.ModeSymlink != 0:
			l.walk(path, parts[1:], depth)
		}
	}
}

// folder lists a directory, or remembers.
func (l *lister) folder(dir string) *folder {
	f := l.folders[dir]
	if f != nil && f.round == l.round {
		return f
	}
	s, err := statPath(dir)
	if err != nil || !s.mode.IsDir() {
		if err != nil && !os.IsNotExist(err) {
			l.problem(dir, err)
		}
		return nil
	}
	if f != nil && f.changed == s.changed && f.listed.Sub(time.Unix(0, f.changed)) > settle && l.now.Sub(f.listed) < believe {
		f.round = l.round
		return f
	}
	entries, err := os.ReadDir(dir)
	if err != nil && len(entries) == 0 {
		l.problem(dir, err)
		return nil
	}
	f = &folder{changed: s.changed, listed: l.now, round: l.round, names: make([]name, len(entries))}
	for i, e := range entries {
		f.names[i] = name{base: e.Name(), mode: e.Type()}
	}
	l.folders[dir] = f
	return f
}

// file gives one file, if it is wanted and is one. n is its place in a remembered folder, where there is one.
func (l *lister) file(path string, n *name) {
	if l.excluded(path) {
		return
	}
	if n == nil || n.mode&fs.ModeSymlink != 0 {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			if !os.IsNotExist(err) {
				l.problem(path, err)
			}
			return
		}
		if real != path {
			path, n = real, nil
			if l.excluded(path) {
				return
			}
		}
	}
	if l.seen[path] {
		return
	}
	l.seen[path] = true
	var s stat
	if n != nil && n.stat.key != (fileKey{}) {
		s = n.stat
	} else {
		var err error
		if s, err = statPath(path); err != nil {
			if !os.IsNotExist(err) {
				l.problem(path, err)
			}
			return
		}
		if n != nil {
			n.stat = s
		}
	}
	if !s.regular() {
		if !s.mode.IsDir() {
			l.problem(path, errNotRegular)
		}
		return
	}
	l.out = append(l.out, found{path: path, stat: s})
}

func (l *lister) excluded(path string) bool {
	for _, p := range l.exclude {
		if p.match(path) {
			return true
		}
	}
	return false
}
