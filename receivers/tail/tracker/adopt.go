package tracker

import (
	"os"
	"path/filepath"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/reader"
)

// adopt opens a file and finds out where to begin in it. name is where it is, path the name its records carry. It
// answers nil when it cannot be read, or is followed already.
func (t *Tracker) adopt(name, path string, fresh bool) (*file, *os.File) {
	h, st, err := fileid.Open(name)
	if err != nil {
		if !os.IsNotExist(err) {
			t.unreadable.Report(name, err)
		}
		return nil, nil
	}
	if t.files[st.Key] != nil {
		h.Close()
		return nil, nil
	}
	var buf [fileid.FingerprintMax]byte
	prefix, err := fileid.ReadPrefix(h, buf[:])
	if err != nil {
		h.Close()
		t.unreadable.Report(name, err)
		return nil, nil
	}
	t.unreadable.Clear(name)
	begin := reader.Begin{Name: name, Path: path, Stat: st, Fingerprint: fileid.FingerprintOf(prefix)}
	e, known := t.claim(checkpoint.Claim{Name: name, Stat: st, Prefix: prefix, File: h})
	switch {
	case known:
		begin.Path, begin.Offset, begin.Mark = e.Path, e.Offset, e.Mark
	case fresh && t.cfg.StartAtEnd:
		begin.Offset = lastLineEnd(h, st.Size)
	}
	f := &file{File: t.reader.NewFile(begin), known: known}
	t.mu.Lock()
	t.files[f.Key] = f
	t.mu.Unlock()
	t.checkpoint.Changed()
	return f, h
}

// claim takes the file's entry out of the checkpoint. What was not read of a file that stood in its place is lost.
func (t *Tracker) claim(c checkpoint.Claim) (e checkpoint.Entry, known bool) {
	e, known, stale := t.checkpoint.Claim(c)
	for _, old := range stale {
		if unread := old.Unread(); unread > 0 {
			t.reader.Lose(pipeline.DropTruncatedUnread, 1, unread)
		}
		t.log.Info("a file has other content than at the last checkpoint; reading it from the beginning", "file", c.Name, "unread_bytes", old.Unread())
	}
	return e, known
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

// miss deals with a file that is not where it was: it was renamed, or it is gone. Nobody has it open.
func (t *Tracker) miss(f *file) {
	dir := filepath.Dir(f.Name())
	if path, ok := t.siblings.Find(dir, f.Key); ok {
		f.missed = 0
		t.rotated(f)
		f.Rename(path)
		return
	}
	if t.reader.Rescue(f.File) {
		f.missed = 0
		t.rotated(f)
		return
	}
	// It may have moved to another folder that a glob covers, or since this folder was read: the next whole listing
	// says.
	if f.missed == 0 {
		f.missed = t.round + 1
	}
	if t.round <= f.missed {
		return
	}
	t.reader.Gone(f.File)
	if f.Deleted() { // with requests outstanding
		return
	}
	// Where its file system is there and it is not, it was most likely deleted.
	e := f.Entry(time.Now())
	e.Size = min(e.Size, e.Offset) // the rest is counted
	t.checkpoint.Leave(e, fileid.Mounted(dir, f.Key.Dev))
	t.forget(f)
}

// forget ends our knowledge of a file that is gone.
func (t *Tracker) forget(f *file) {
	t.mu.Lock()
	delete(t.files, f.Key)
	t.mu.Unlock()
	for _, name := range []string{f.Path, f.Name()} {
		if t.byPath[name] == f {
			delete(t.byPath, name)
		}
	}
	t.checkpoint.Changed()
}
