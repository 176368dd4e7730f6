package tail

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// adopt opens a file and finds out where to begin in it. name is where it is, path the name its records carry. It
// answers nil when it cannot be read, or is known.
func (s *scanner) adopt(name, path string, fresh bool) (*file, *os.File) {
	h, st, err := openRegular(name)
	if err != nil {
		if !os.IsNotExist(err) {
			s.r.complain(name, err)
		}
		return nil, nil
	}
	if s.r.file(st.key) != nil {
		h.Close()
		return nil, nil
	}
	var buf [fingerprintMax]byte
	prefix, err := readPrefix(h, buf[:])
	if err != nil {
		h.Close()
		s.r.complain(name, err)
		return nil, nil
	}
	s.r.troubles.over(name)
	f := newFile(path, name, st)
	f.lines.max, f.lines.attributes = s.r.cfg.MaxLineBytes, s.r.attributes
	f.look(st)
	switch e, known := s.r.keep.claim(name, st, prefix); {
	case known:
		f.kept, f.path, f.next = true, e.path, e.offset
	case fresh && s.r.cfg.StartAt == startAtEnd:
		f.next = lastLineEnd(h, st.size)
	}
	f.begin(f.next, fingerprintOf(prefix))
	f.unread.Store(max(0, st.size-f.next))
	f.seen = stat{key: st.key, size: -1} // not looked at by a reader yet
	s.r.mu.Lock()
	s.r.files[f.key] = f
	s.r.mu.Unlock()
	s.r.dirty.Store(true)
	return f, h
}

// lastLineEnd is where the last line that is complete ends, so that "end" never begins in the middle of a line.
func lastLineEnd(h *os.File, size int64) int64 {
	buf := make([]byte, 64<<10)
	start := max(0, size-int64(len(buf)))
	n, _ := h.ReadAt(buf[:size-start], start)
	for n > 0 && buf[n-1] != '\n' {
		n--
	}
	if n == 0 && start > 0 {
		return size // one line longer than the buffer: its rest is all that would be read
	}
	return start + int64(n)
}

// move notes that a file has another name.
func (s *scanner) move(f *file, name string) {
	f.where.Store(name)
	s.byPath[name] = f
}

// recoverAll deals with what the checkpoint knows and the first listing did not give: files that were rotated away
// while we were down.
func (s *scanner) recoverAll() {
	paths := map[string]bool{}
	for _, e := range s.r.keep.missing("") {
		paths[e.path] = true
	}
	for path := range paths {
		s.recover(path)
	}
	for path, f := range s.byPath {
		if f.kept || paths[path] || !s.r.keep.existed {
			continue
		}
		known := s.r.keep.newest(path)
		if known.IsZero() {
			// The checkpoint never saw a file at this path: those that stood there were made after it was written.
			known = s.r.keep.saved.Add(-settle)
		}
		s.between(path, known)
	}
}

// recover reads on in the files that once stood at path and now stand beside it, and in those that stood there
// after them, if the checkpoint knows any.
func (s *scanner) recover(path string) (known bool) {
	missing := s.r.keep.missing(path)
	if len(missing) == 0 {
		return false
	}
	newest := s.r.keep.newest(path)
	for _, name := range siblings(path) {
		st, err := statPath(name)
		if err != nil {
			continue
		}
		for _, e := range missing {
			if st.key.same(e.key) {
				s.adoptRotated(name, path)
			}
		}
	}
	s.between(path, newest)
	return true
}

// between reads the files that stood at path after a known time, when a file that we know was born or when we
// looked last, and before the one that stands there now: two rotations between two looks. They bear a rotated name,
// and were born later than that.
func (s *scanner) between(path string, known time.Time) {
	if known.IsZero() {
		return
	}
	for _, name := range siblings(path) {
		if name == path || !rotatedName(filepath.Base(path), filepath.Base(name)) {
			continue
		}
		if st, err := statPath(name); err == nil && s.r.file(st.key) == nil && st.born().After(known) {
			s.adoptRotated(name, path)
		}
	}
}

func (s *scanner) adoptRotated(name, path string) {
	if f, h := s.adopt(name, path, false); f != nil {
		f.rotated.Store(true)
		s.begin(f, h)
	}
}

// siblings are the regular files in a path's folder, among them those that its file may have been renamed to.
func siblings(path string) []string {
	dir := filepath.Dir(path)
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if e.Type() == fs.FileMode(0) {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names
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
	for _, name := range siblings(f.name()) {
		if st, err := statPath(name); err == nil && st.key.same(f.key) {
			f.missed = 0
			s.leave(f)
			f.where.Store(name)
			return
		}
	}
	// It may have moved to another folder that a pattern covers: the next whole listing says.
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
	s.r.keep.leave(e)
	s.forget(f)
}

// forget ends our knowledge of a file that is gone.
func (s *scanner) forget(f *file) {
	s.r.mu.Lock()
	delete(s.r.files, f.key)
	s.r.mu.Unlock()
	if s.byPath[f.path] == f {
		delete(s.byPath, f.path)
	}
	if name := f.name(); s.byPath[name] == f {
		delete(s.byPath, name)
	}
	s.r.dirty.Store(true)
}
