package tail

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// search is for the files that once stood at a path and now stand beside it, under a rotated name or any other.
type search struct {
	path    string
	missing []entry   // the checkpoint's entries of files that stood there
	after   time.Time // files with a rotated name that were born later stood there too; zero: none
}

// beside is the regular files of a folder as they were when it was listed. The scanner keeps one for each folder that
// it searches, until the next listing: when a thousand files of one folder are rotated or deleted at once, it is
// read once.
type beside struct {
	names []string
	stats map[inode]located // nil before the first search by identity
}

type inode struct{ dev, ino uint64 }

type located struct {
	name string
	stat stat
}

func (s *scanner) beside(dir string) *beside {
	if b := s.besides[dir]; b != nil {
		return b
	}
	b := &beside{}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Type() == fs.FileMode(0) {
			b.names = append(b.names, filepath.Join(dir, e.Name()))
		}
	}
	if s.besides == nil {
		s.besides = map[string]*beside{}
	}
	s.besides[dir] = b
	return b
}

// find is where a file is now, if it is in the folder.
func (b *beside) find(k fileKey) (located, bool) {
	if b.stats == nil {
		b.stats = map[inode]located{}
		for _, name := range b.names {
			if st, err := statPath(name); err == nil {
				b.stats[inode{st.key.dev, st.key.ino}] = located{name, st}
			}
		}
	}
	l, ok := b.stats[inode{k.dev, k.ino}]
	return l, ok && l.stat.key.same(k)
}

// seek makes the searches of a listing, all at its end: a file is opened before the folder is read here, so whatever was
// renamed away before the opening is found.
func (s *scanner) seek(searches []search) {
	clear(s.besides)
	for _, q := range searches {
		b := s.beside(filepath.Dir(q.path))
		for _, e := range q.missing {
			if l, ok := b.find(e.key); ok {
				s.adoptRotated(l.name, q.path)
			} else if mounted(filepath.Dir(q.path), e.key.dev) {
				s.r.keep.miss(e)
			}
		}
		if !q.after.IsZero() {
			s.between(b, q)
		}
	}
}

// between reads the files that stood at a path after a known time, when a file that we know was born or when we
// looked last, and before the one that stands there now: two rotations between two looks. They bear a rotated name,
// and were born later than that.
func (s *scanner) between(b *beside, q search) {
	base := filepath.Base(q.path)
	for _, name := range b.names {
		if name == q.path || !rotatedName(base, filepath.Base(name)) {
			continue
		}
		if st, err := statPath(name); err == nil && s.r.file(st.key) == nil && st.born().After(q.after) {
			s.adoptRotated(name, q.path)
		}
	}
}

func (s *scanner) adoptRotated(name, path string) {
	if f, h := s.adopt(name, path, false); f != nil {
		f.rotated.Store(true)
		s.begin(f, h)
	}
}

// searchesAtStart are for what the checkpoint knows and the first listing did not give: files that were rotated away
// while we were down.
func (s *scanner) searchesAtStart() []search {
	if !s.r.keep.existed {
		return nil
	}
	missing, newest := s.r.keep.history()
	var out []search
	for path, entries := range missing {
		out = append(out, search{path, entries, newest[path]})
	}
	for path, f := range s.byPath {
		if f.kept || missing[path] != nil {
			continue
		}
		after := newest[path]
		if after.IsZero() {
			// The checkpoint never saw a file at this path: those that stood there were made after it was written.
			after = s.r.keep.saved.Add(-settle)
		}
		out = append(out, search{path: path, after: after})
	}
	return out
}

// searchFor is the search that a new file at a path calls for. before is the file that stood there, nil when we know
// none.
func (s *scanner) searchFor(path string, before *file) search {
	if before != nil {
		return search{path: path, after: before.born()}
	}
	q := search{path: path, after: s.listed.Add(-settle)}
	for _, e := range s.r.keep.missing(path) {
		q.missing = append(q.missing, e)
		if born := e.born(); born.After(q.after) || len(q.missing) == 1 {
			q.after = born
		}
	}
	return q
}

// rotatedName says whether name is what a rotation makes of base: app.log.1, app.log-20260101, 0.log.20260101-101112
// (kubelet), app-2026-01-01T10-11-12.000.log (lumberjack), app.1.log, app.log.old.
func rotatedName(base, name string) bool {
	if name == base {
		return false
	}
	if rest, ok := strings.CutPrefix(name, base); ok {
		return isStamp(rest) || rest == ".old" || rest == ".bak" || rest == "~"
	}
	ext := filepath.Ext(base)
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(base, ext))
	rest, same := strings.CutSuffix(rest, ext)
	return ok && same && isStamp(rest)
}

// isStamp says whether s is a separator and then a number, a date or a time.
func isStamp(s string) bool {
	return len(s) > 1 && strings.Trim(s[:1], ".-_") == "" && strings.ContainsAny(s, "0123456789") && strings.Trim(s, "0123456789.-_:+TZ") == ""
}

// miss deals with a file that is not where it was: it was renamed, or it is gone. Nobody has it open.
func (s *scanner) miss(f *file) {
	if l, ok := s.beside(filepath.Dir(f.name())).find(f.key); ok {
		f.missed = 0
		s.leave(f)
		f.where.Store(l.name)
		return
	}
	// It may have moved to another folder that a pattern covers, or since this folder was read: the next whole listing
	// says.
	if f.missed == 0 {
		f.missed = s.round + 1
	}
	if s.round <= f.missed {
		return
	}
	e := f.entry()
	if unread := e.size - f.next; unread > 0 {
		s.r.lose(pipeline.DropRotatedUnread, f.estimate(unread), unread)
		s.r.settings.Log.Warn("a file is gone that was not read to its end", "file", f.path, "unread_bytes", unread)
	}
	if calls, _ := f.outstanding(); calls > 0 {
		f.deleted.Store(true)
		return
	}
	e.key, e.path, e.seen = f.key, f.path, time.Now().Unix()
	if mounted(filepath.Dir(f.name()), f.key.dev) {
		// Its file system is there and it is not: most likely it was deleted. Where pods come and go that is the
		// fate of every file, and the checkpoint must not grow by them for days.
		e.seen -= int64((forgetAfter - forgetDeleted).Seconds())
	}
	s.r.keep.leave(e)
	s.forget(f)
}

// mounted says whether the nearest folder above that exists is on the device.
func mounted(dir string, dev uint64) bool {
	for {
		st, err := statPath(dir)
		if err == nil {
			return st.key.dev == dev
		}
		if up := filepath.Dir(dir); up != dir {
			dir = up
			continue
		}
		return false
	}
}
