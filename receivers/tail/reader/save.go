package reader

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// A deleted file lives only while we have it open: a kill loses what is not delivered. So while the pipeline refuses, that
// rest is copied into a folder of ours, with the bytes by which the content is known; before it the copy has a hole.

// saveAfter is how long the pipeline must take nothing before a copy is made.
const saveAfter = time.Second

// Saved is the copy of a deleted file.
type Saved struct {
	Name   string
	Stat   fileid.Stat
	Handle *os.File
}

// savedName is the copy's name: a start finds by it the entry of the deleted file.
func savedName(k fileid.Key) string { return fmt.Sprintf("%d-%d-%d", k.Dev, k.Ino, k.Birth) }

// ParseSavedName returns the key of the file that was copied.
func ParseSavedName(base string) (k fileid.Key, ok bool) {
	n, err := fmt.Sscanf(base, "%d-%d-%d", &k.Dev, &k.Ino, &k.Birth)
	return k, err == nil && n == 3 && savedName(k) == base
}

// toSave reports whether the rest of a deleted file is to be copied: it is complete, and the pipeline has not taken it for a
// while.
func (r *Reader) toSave(f *File, blocked bool, now time.Time) bool {
	if r.cfg.SaveDir == "" || !f.deleted.Load() || f.compressed || !blocked && !f.window().refusing() {
		f.stuck = time.Time{}
		return false
	}
	if f.stuck.IsZero() {
		f.stuck = now
	}
	return now.Sub(f.stuck) >= saveAfter && now.Sub(f.resized) >= quiet && !now.Before(f.retrySave)
}

// save copies the rest. True: the caller ends its reading, and the tracker goes on with the copy.
func (r *Reader) save(f *File, h *os.File, now time.Time) bool {
	size := f.seen.Size - f.window().entry().Offset
	if r.saved.Add(size) > r.cfg.SaveBytes {
		r.saved.Add(-size)
		f.retrySave = now.Add(time.Minute)
		return false
	}
	saved, err := r.copyRest(f, h)
	if err != nil {
		r.saved.Add(-size)
		f.retrySave = now.Add(time.Minute)
		r.settings.Log.Warn("cannot copy the rest of a deleted file into the data directory; a kill would lose it", "file", f.Path, "bytes", size, "error", err)
		return false
	}
	f.savedBytes = size
	r.settings.Log.Info("copied the rest of a deleted file into the data directory until it is delivered", "file", f.Path, "bytes", size)
	f.saved.Store(saved)
	return true
}

func (r *Reader) copyRest(f *File, h *os.File) (*Saved, error) {
	e := f.window().entry()
	from := max(0, min(e.Offset, e.Mark.End())-fileid.MarkMax)
	if from < fileid.FingerprintMax {
		from = 0
	}
	if err := os.MkdirAll(r.cfg.SaveDir, 0o700); err != nil {
		return nil, err
	}
	name := filepath.Join(r.cfg.SaveDir, savedName(f.Key))
	to, err := os.OpenFile(name+".part", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	copyRange := func(from, to64 int64) error {
		n, err := io.Copy(io.NewOffsetWriter(to, from), io.NewSectionReader(h, from, to64-from))
		if err == nil && n < to64-from {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if from > 0 {
		err = copyRange(0, fileid.FingerprintMax)
	}
	if err == nil {
		err = copyRange(from, f.seen.Size)
	}
	if err == nil {
		err = to.Sync()
	}
	if err == nil {
		err = os.Rename(name+".part", name)
	}
	if err == nil {
		err = syncDir(r.cfg.SaveDir)
	}
	if err != nil {
		to.Close()
		os.Remove(name + ".part")
		return nil, err
	}
	s, err := fileid.StatFile(to)
	if err != nil {
		to.Close()
		return nil, err
	}
	return &Saved{Name: name, Stat: s, Handle: to}, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// TakeSaved returns the copy that was made of a file, once. Nobody may be reading it.
func (f *File) TakeSaved() *Saved { return f.saved.Swap(nil) }

// Become continues in the copy. Nobody may be reading the file.
func (f *File) Become(s *Saved) {
	f.Move(s.Stat, s.Name)
	f.deleted.Store(false)
}

// Kept counts a copy of an earlier run. Nobody may be reading it.
func (r *Reader) Kept(f *File) {
	f.savedBytes = f.window().entry().Unread()
	r.saved.Add(f.savedBytes)
}

// Done reports whether all of a renamed file is delivered. Nobody may be reading it.
func (f *File) Done() bool {
	return f.ended && !f.Outstanding() && f.window().entry().Unread() == 0
}

// Discard closes a file and removes the copy that it is.
func (r *Reader) Discard(f *File) error {
	if h := r.parked.take(f); h != nil {
		h.Close()
		r.open.Add(-1)
	}
	r.saved.Add(-f.savedBytes)
	return os.Remove(f.Name())
}
