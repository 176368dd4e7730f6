package tracker

import (
	"os"
	"path/filepath"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/reader"
)

// candidate is a file that we do not follow, open.
type candidate struct {
	name   string
	stat   fileid.Stat
	prefix []byte
	h      *os.File
}

// open opens a file that nobody follows. It answers nil when it cannot be read, or is followed already.
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

// end is the candidate's last bytes as a mark.
func (c *candidate) end() fileid.Mark {
	var buf [fileid.MarkMax]byte
	from := max(0, c.stat.Size-fileid.MarkMax)
	n, _ := c.h.ReadAt(buf[:c.stat.Size-from], from)
	return fileid.MarkOf(from+int64(n), buf[:n])
}

// claim finds the candidate's entry in the checkpoint. What has another content now may stand in a copy: see stale.
func (t *Tracker) claim(c *candidate) (e checkpoint.Entry, known bool) {
	e, known, stale := t.checkpoint.Claim(c.claim())
	t.stale = append(t.stale, stale...)
	return e, known
}

// begin is where reading begins in a candidate whose records carry path, when nothing is known of it.
func (c *candidate) begin(path string) reader.Begin {
	return reader.Begin{Name: c.name, Path: path, Stat: c.stat, Fingerprint: fileid.FingerprintOf(c.prefix)}
}

// resume is where reading goes on by an entry.
func (c *candidate) resume(e checkpoint.Entry) reader.Begin {
	b := c.begin(e.Path)
	b.Offset, b.Mark = e.Offset, e.Mark
	return b
}

// follow takes a file up; it is not read yet.
func (t *Tracker) follow(f *file) *file {
	t.mu.Lock()
	t.files[f.Key] = f
	t.mu.Unlock()
	t.remember(f)
	t.checkpoint.Changed()
	return f
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

// miss deals with a file that is not where it was: it was renamed, or it is gone. Nobody reads it.
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
