package tracker

import (
	"path/filepath"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
)

// An editor writes a log again: vim and sed -i as another file that takes its place, others into the same file. The lines that were
// read are not new.

// replaces reports whether c has or gets the place of f; it is no new file then.
func (t *Tracker) replaces(c *candidate, f *file) bool {
	done, wait := t.edited(c, f)
	if wait {
		c.h.Close()
	}
	return done || wait
}

// edited reads on in a file that took the place of f with f's content. wait: the reader of f is to end first.
func (t *Tracker) edited(c *candidate, f *file) (done, wait bool) {
	if f == nil || f.Name() != c.name || f.copyOf != nil || f.Rewritten() || t.files[f.Key] != f {
		return false, false
	}
	if e := f.Content(); e.Offset == 0 || !e.HeldBy(c.claim()) {
		return false, false
	}
	if _, still := t.siblings.Find(filepath.Dir(c.name), f.Key); still {
		return false, false
	}
	if f.Reading() {
		f.Yield()
		f.yields = t.round
		return false, true
	}
	if !t.reader.GoesOn(f.File, c.h, c.stat) {
		return false, false
	}
	t.mu.Lock()
	delete(t.files, f.Key)
	f.Replace(c.stat)
	t.files[f.Key] = f
	t.mu.Unlock()
	t.index = nil
	f.round, f.missed, f.due, f.pause = t.round, 0, time.Time{}, 0
	t.log.Info("a file was replaced by another one with its content; reading on", "file", c.name)
	t.checkpoint.Changed()
	t.reader.Start(f.File, c.h)
	return true, false
}

// editedBefore finds the entry of a file whose place c took, with its content, while nobody looked. A short content does not tell.
func (t *Tracker) editedBefore(c *candidate) (e checkpoint.Entry, found bool) {
	_, entries := t.at(c.name)
	for _, e := range entries {
		if e.Offset == 0 || !e.Fingerprint.Full() || e.Size > c.stat.Size || !e.HeldBy(c.claim()) {
			continue
		}
		if _, still := t.siblings.Find(filepath.Dir(c.name), e.Key); !still && t.takeEntry(e) {
			return e, true
		}
	}
	return e, false
}

// regainWait is how long a truncated file may take to get its content back.
const regainWait = 250 * time.Millisecond

// regain reads on in a file that was truncated and got its content back, and perhaps more. wait: that may still come.
func (t *Tracker) regain(f *file, rw rewrite) (done, wait bool) {
	c := t.openAny(f.Name())
	if c == nil {
		return false, false
	}
	e := rw.old.Content()
	if c.stat.Key != f.Key || t.files[f.Key] != f || !e.Fingerprint.Known() {
		c.h.Close()
		return false, false
	}
	if !e.HeldBy(c.claim()) {
		c.h.Close()
		return false, c.stat.Size < e.Offset && time.Since(rw.since) < regainWait
	}
	back := *f
	back.File = rw.old
	t.mu.Lock()
	t.forgetRewrite(rw)
	back.Replace(c.stat)
	t.files[f.Key] = &back
	t.mu.Unlock()
	for _, path := range []string{f.Path, f.Name()} {
		if t.byPath[path] == f {
			t.byPath[path] = &back
		}
	}
	for _, other := range t.files {
		if other.copyOf == f {
			other.copyOf = &back
		}
	}
	t.index = nil
	t.log.Info("a file was truncated and has its content again; reading on", "file", f.Name())
	t.checkpoint.Changed()
	t.reader.Start(back.File, c.h)
	return true, false
}
