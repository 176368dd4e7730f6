package tracker

import (
	"cmp"
	"os"
	"path/filepath"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/reader"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

// candidate is an open file that may not be followed yet.
type candidate struct {
	name   string
	stat   fileid.Stat
	prefix []byte
	h      *os.File
}

// open returns nil if the file cannot be read or is already followed.
func (t *Tracker) open(name string) *candidate {
	h, st, err := fileid.Open(name)
	if err != nil {
		if !os.IsNotExist(err) {
			t.unreadable.Report(name, err)
		}
		return nil
	}
	if t.files[st.Key] != nil {
		h.Close()
		return nil
	}
	c := &candidate{name: name, stat: st, h: h}
	c.prefix, err = fileid.ReadPrefix(h, make([]byte, fileid.FingerprintMax))
	if err != nil {
		h.Close()
		t.unreadable.Report(name, err)
		return nil
	}
	t.unreadable.Clear(name)
	return c
}

func (c *candidate) claim() checkpoint.Claim {
	return checkpoint.Claim{Name: c.name, Stat: c.stat, Prefix: c.prefix, File: c.h}
}

func (c *candidate) end() fileid.Mark {
	var buf [fileid.MarkMax]byte
	from := max(0, c.stat.Size-fileid.MarkMax)
	n, _ := c.h.ReadAt(buf[:c.stat.Size-from], from)
	return fileid.MarkOf(from+int64(n), buf[:n])
}

// claim keeps stale entries: their content may be in a copy.
func (t *Tracker) claim(c *candidate) (e checkpoint.Entry, known bool) {
	e, known, stale := t.checkpoint.Claim(c.claim())
	t.stale = append(t.stale, stale...)
	if !known {
		e, known = t.restored(c)
	}
	return e, known
}

// restored finds the entry of a file that went away and was made again, with its times (gunzip, cp -p, tar): its content is
// older than itself.
func (t *Tracker) restored(c *candidate) (e checkpoint.Entry, found bool) {
	if c.stat.Birth == 0 || c.stat.Modified >= c.stat.Birth {
		return e, false
	}
	dir := filepath.Dir(c.name)
	same := func(e checkpoint.Entry) bool {
		if e.Offset == 0 || e.Size != c.stat.Size || !sameTime(e.Modified, c.stat.Modified) || !e.HeldBy(c.claim()) {
			return false
		}
		_, still := t.siblings.Find(dir, e.Key)
		return !still
	}
	t.at(c.name) // makes the index
	for path, entries := range t.absent {
		if filepath.Dir(path) != dir {
			continue
		}
		for _, e := range entries {
			if same(e) && t.checkpoint.Take(e) {
				return e, true
			}
		}
	}
	if f := t.byPath[c.name]; f != nil { // not noticed yet
		if e := f.Entry(time.Now()); !f.Outstanding() && e.Unread() == 0 && same(e) {
			return e, true
		}
	}
	return e, false
}

// sameTime reports whether restored is a time, in ns, perhaps cut to seconds.
func sameTime(ns, restored int64) bool {
	return ns == restored || ns/1e9*1e9 == restored
}

func (c *candidate) begin(path string) reader.Begin {
	yes, _ := fileid.Compressed(c.prefix)
	return reader.Begin{Name: c.name, Path: path, Stat: c.stat, Fingerprint: fileid.FingerprintOf(c.prefix), Compressed: yes}
}

func (c *candidate) resume(e checkpoint.Entry) reader.Begin {
	b := c.begin(e.Path)
	b.As, b.Link = e.As, e.Link
	b.Offset, b.Mark = e.Offset, e.Mark
	return b
}

// newFile makes a file that is not read yet, with the pod's name for it if a link has one.
func (t *Tracker) newFile(b reader.Begin) *reader.File {
	b.As, b.Link = cmp.Or(b.As, t.finder.NameOf(b.Path)), cmp.Or(b.Link, t.finder.LinkOf(b.Path))
	if before := t.byPath[b.Path]; before != nil {
		b.As, b.Link = cmp.Or(b.As, before.As), cmp.Or(b.Link, before.Link)
	}
	return t.reader.NewFile(b)
}

func (t *Tracker) isPodLog(path string) bool {
	return record.IsPodLog(path) || t.finder.NameOf(path) != ""
}

func (t *Tracker) follow(f *file) *file {
	t.mu.Lock()
	t.files[f.Key] = f
	t.mu.Unlock()
	t.remember(f)
	t.checkpoint.Changed()
	return f
}

// lastLineEnd makes sure that start_at "end" never starts within a line.
func lastLineEnd(h *os.File, size int64) int64 {
	buf := make([]byte, 64<<10)
	start := max(0, size-int64(len(buf)))
	n, _ := h.ReadAt(buf[:size-start], start)
	for n > 0 && buf[n-1] != '\n' {
		n--
	}
	if n == 0 && start > 0 {
		return size // one line longer than the buffer: only its rest would be read
	}
	return start + int64(n)
}

// miss handles a file that was renamed or is gone. Nobody may be reading it.
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
	// It may have moved to another folder: wait for the next full listing.
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
	// If its file system is mounted, it was most likely deleted.
	e := f.Entry(time.Now())
	e.Size = min(e.Size, e.Offset) // the rest is counted as lost
	t.checkpoint.Leave(e, fileid.Mounted(dir, f.Key.Dev))
	t.forget(f)
}

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
