package tail

import "os"

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
