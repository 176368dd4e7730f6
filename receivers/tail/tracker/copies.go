package tracker

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/finder"
	"github.com/sluiceio/sluice/receivers/tail/reader"
)

// A file's content may move to another file: cp and truncate (copytruncate), cp and rm, a restored backup. A copy is known by
// its content, see docs/decisions/0014-a-copy-is-known-by-its-content.md: while the original has the content the copy is
// not read; when the original lost it, the copy is read from where we were.

// rewrite is a file whose content became another one. old is the former content: it belongs to no file until a copy is found.
type rewrite struct {
	now, old *reader.File
	since    time.Time
}

// patience is how long a former content waits for a file that was overwritten, perhaps with it, to be looked at.
const patience = 3 * time.Second

// Rewritten is told by a reader, which then ends, that a file's content became another one; see reader.Settings. Nobody may
// see the file parted from a content that nobody has.
func (t *Tracker) Rewritten(now *reader.File, part func() *reader.File) {
	t.mu.Lock()
	t.rewrites = append(t.rewrites, rewrite{now, part(), time.Now()})
	t.mu.Unlock()
	t.wakeUp()
}

// resolve finds out where the former contents of rewritten files are, and what the new ones are.
func (t *Tracker) resolve() {
	t.mu.Lock()
	pending := slices.Clone(t.rewrites)
	t.mu.Unlock()
	if len(pending) == 0 {
		return
	}
	t.siblings.Reset()
	t.index = nil
	for _, rw := range pending {
		f := t.files[rw.now.Key]
		if rw.now.Reading() { // its reader is about to end
			continue
		}
		if f == nil || f.File != rw.now {
			f = &file{File: rw.now} // forgotten meanwhile
		}
		if t.rehome(f, rw) {
			rw.now.Resolved()
			t.checkpoint.Changed()
			t.judge(f)
		}
	}
}

// noticed is how long it takes at most until a file's reader notices that the content is another one.
const noticed = 10 * time.Second

// listedIn notes the listing of its folder that gave a file.
func (f *file) listedIn(in *finder.Folder) {
	if in == f.in {
		return
	}
	if now := time.Now(); now.Sub(f.since) > noticed {
		f.older, f.since = f.in, now
	}
	f.in = in
}

// listingThen is a listing that was made before the content came that a file has now, which its reader noticed just now.
func (f *file) listingThen() (l finder.Listing) {
	switch {
	case f.older != nil && time.Since(f.since) <= noticed:
		return f.older.Listing()
	case f.in != nil:
		return f.in.Listing()
	}
	return l
}

// rehome finds the copy that has the former content of f, and goes on in it. It answers false when it is too early to say.
func (t *Tracker) rehome(f *file, rw rewrite) bool {
	old := rw.old
	e, place := old.Entry(time.Now()), old.Place()
	c, overwritten := t.findCopy(f.Name(), e, place)
	if c == nil && overwritten && time.Since(rw.since) < patience {
		return false
	}
	t.mu.Lock()
	t.rewrites = slices.DeleteFunc(t.rewrites, func(x rewrite) bool { return x == rw })
	if c != nil {
		old.Move(c.stat, c.name)
	}
	t.mu.Unlock()
	unread := max(0, e.Size-place)
	if c != nil {
		unread = max(0, e.Size-max(place, c.stat.Size))
	}
	records := old.Estimate(unread)
	if c != nil {
		t.log.Info("a file was copied and truncated; reading the copy from where we were", "file", f.Name(), "copy", c.name)
		before := t.files[c.stat.Key] // we knew it as a copy
		if before != nil {
			t.forget(before)
		}
		moved := t.follow(&file{File: old, known: true, round: t.round})
		if before != nil {
			t.byPath[c.name] = moved
		}
		t.rotated(moved)
		t.reader.Start(old, c.h)
	} else {
		t.reader.Orphan(old)
		t.mu.Lock()
		t.orphans = append(t.orphans, old)
		t.mu.Unlock()
	}
	if then := f.listingThen(); then.Known() && f.Name() == f.Path && t.byPath[f.Path] == f {
		// There may have been another content in between, copied and truncated before anybody looked.
		t.searches = append(t.searches, search{path: f.Path, after: f.Born(), before: then, again: searchTimes - 1})
	}
	for _, other := range t.files {
		if other.copyOf == f {
			other.copyOf = nil
		}
	}
	t.truncated(f.Name(), unread, records)
	return true
}

// truncated counts what is lost of a former content.
func (t *Tracker) truncated(name string, unread int64, records int) {
	if unread > 0 {
		t.reader.Lose(pipeline.DropTruncatedUnread, records, unread)
	}
	t.log.Info("a file was truncated or rewritten; reading it from the beginning", "file", name, "unread_bytes", unread)
}

// findCopy is the largest file beside name that has the content of an entry, at least up to place. overwritten: one has it
// that we follow for another content, which its reader will notice.
func (t *Tracker) findCopy(name string, e checkpoint.Entry, place int64) (best *candidate, overwritten bool) {
	if !e.Fingerprint.Known() {
		return nil, false
	}
	for _, path := range t.siblings.In(filepath.Dir(name)) {
		base := filepath.Base(path)
		if path == name {
			continue
		}
		if !fileid.IsDerivedName(filepath.Base(name), base) && !fileid.IsDerivedName(filepath.Base(e.Path), base) {
			// Of any other name only what cannot be there by chance, and was made since.
			if s, err := fileid.StatPath(path); err != nil || !e.Fingerprint.Full() || s.Size < place || s.Birth < e.Modified {
				continue
			}
		}
		c := t.openAny(path)
		if c == nil {
			continue
		}
		known := t.files[c.stat.Key]
		holds := c.stat.Size >= place && e.HeldBy(c.claim())
		if holds && known != nil && known.copyOf == nil {
			overwritten = overwritten || !t.formerEntry(known).HeldBy(c.claim())
			holds = false
		}
		if !holds || best != nil && best.stat.Size >= c.stat.Size {
			c.h.Close()
			continue
		}
		if best != nil {
			best.h.Close()
		}
		best = c
	}
	return best, overwritten
}

// stands says whether the file is still as it was when it was opened.
func (c *candidate) stands() bool {
	s, err := fileid.StatFile(c.h)
	return err == nil && s.Size == c.stat.Size && s.Modified == c.stat.Modified
}

// openAny opens a file whether it is followed or not.
func (t *Tracker) openAny(name string) *candidate {
	h, st, err := fileid.Open(name)
	if err != nil {
		return nil
	}
	prefix, err := fileid.ReadPrefix(h, make([]byte, fileid.FingerprintMax))
	if err != nil {
		h.Close()
		return nil
	}
	return &candidate{name: name, stat: st, prefix: prefix, h: h}
}

// origin is the file that the candidate is a copy of, or the entry of one that is gone or has another content now.
func (t *Tracker) origin(c *candidate) (f *file, e checkpoint.Entry, found bool) {
	dir := filepath.Dir(c.name)
	for _, base := range fileid.Originals(filepath.Base(c.name)) {
		path := filepath.Join(dir, base)
		files, entries := t.at(path)
		for _, f := range files {
			if f.Key != c.stat.Key && t.copied(c, f) {
				return f, e, true
			}
		}
		for _, e := range entries {
			if e.Offset > 0 && e.Fingerprint.Known() && e.HeldBy(c.claim()) && t.takeEntry(e) {
				return nil, e, true
			}
		}
	}
	return nil, e, false
}

// takeEntry takes an entry out of those that wait for their content.
func (t *Tracker) takeEntry(e checkpoint.Entry) bool {
	for i := range t.stale {
		if t.stale[i] == e {
			t.stale = append(t.stale[:i], t.stale[i+1:]...)
			return true
		}
	}
	return t.checkpoint.Take(e)
}

// copied says whether the candidate is a copy of what f has, or had when we last read it.
func (t *Tracker) copied(c *candidate, f *file) bool {
	e := t.formerEntry(f)
	held := e.Offset > 0 && e.Fingerprint.Known() && e.HeldBy(c.claim())
	o := t.openAny(f.Name())
	if o == nil {
		return held
	}
	defer o.h.Close()
	if o.stat.Key != f.Key {
		return held
	}
	if fileid.Begins(c.h, o.h, c.stat.Size) {
		return true
	}
	return held && !e.HeldBy(o.claim())
}

// formerEntry is the entry of the content that a file had when it was last read.
func (t *Tracker) formerEntry(f *file) checkpoint.Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, rw := range t.rewrites {
		if rw.now == f.File {
			return rw.old.Entry(time.Now())
		}
	}
	return f.Entry(time.Now())
}

// at are the files that are or were at a path, and the entries of those that are gone.
func (t *Tracker) at(path string) ([]*file, []checkpoint.Entry) {
	if t.index == nil {
		t.index = map[string][]*file{}
		for _, f := range t.files {
			t.remember(f)
		}
		t.absent = t.checkpoint.AbsentByPath()
	}
	entries := t.absent[path]
	for _, e := range t.stale {
		if e.Path == path {
			entries = append(entries[:len(entries):len(entries)], e)
		}
	}
	return t.index[path], entries
}

// remember adds a file to the index, where there is one.
func (t *Tracker) remember(f *file) {
	if t.index == nil {
		return
	}
	t.index[f.Path] = append(t.index[f.Path], f)
	if name := f.Name(); name != f.Path {
		t.index[name] = append(t.index[name], f)
	}
}

// judge looks at a file that is to be read from its beginning: a copy is not.
func (t *Tracker) judge(f *file) {
	if len(fileid.Originals(filepath.Base(f.Name()))) == 0 {
		return
	}
	c := t.openAny(f.Name())
	if c == nil {
		return
	}
	defer c.h.Close()
	if of, _, found := t.origin(c); found && of != nil && c.stat.Key == f.Key {
		t.asCopy(f, of, c)
	}
}

// asCopy notes that all that stands in f stands in another file too.
func (t *Tracker) asCopy(f, of *file, c *candidate) {
	f.copyOf = of
	b := c.begin(f.Path)
	b.Offset, b.Mark = c.stat.Size, c.end()
	f.Jump(b)
	t.checkpoint.Changed()
}

// review looks at a copy that changed, and says whether it is still one: nobody has to read it.
func (t *Tracker) review(f *file) (copy bool) {
	of := f.copyOf
	if t.files[of.Key] != of {
		f.copyOf = nil
		return false
	}
	c := t.openAny(f.Name())
	if c == nil {
		return true
	}
	defer c.h.Close()
	o := t.openAny(of.Name())
	if o != nil {
		defer o.h.Close()
	}
	switch {
	case c.stat.Key != f.Key:
		return true // looked at again soon
	case o == nil || o.stat.Key != of.Key: // renamed or gone: what is new here is not there
	case fileid.Begins(c.h, o.h, c.stat.Size):
		t.asCopy(f, of, c)
		return true
	case !c.stands() || !t.formerEntry(of).HeldBy(o.claim()):
		return true // it is being written over; or the original lost it, and its reader will say so
	}
	// Both go their own ways. What was alike by chance must not be lost.
	f.copyOf = nil
	if e := f.Entry(time.Now()); !e.Fingerprint.Full() || !e.HeldBy(c.claim()) {
		f.Jump(c.begin(f.Path))
	}
	return false
}

// staleEntries deals with what the checkpoint says of contents that are gone from their files: they may stand in copies.
func (t *Tracker) staleEntries() {
	for len(t.stale) > 0 {
		e := t.stale[0]
		t.stale = t.stale[1:]
		unread := e.Unread()
		if c, _ := t.findCopy(e.Path, e, e.Offset); c != nil {
			unread = max(0, e.Size-max(e.Offset, c.stat.Size))
			t.goOn(c, e)
		}
		t.truncated(e.Path, unread, 1)
	}
}

// goOn reads a copy from where the entry of its content is.
func (t *Tracker) goOn(c *candidate, e checkpoint.Entry) {
	if before := t.files[c.stat.Key]; before != nil {
		t.forget(before)
	}
	f := t.follow(&file{File: t.reader.NewFile(c.resume(e)), known: true, round: t.round})
	if _, listed := t.byPath[c.name]; listed {
		t.byPath[c.name] = f
	}
	t.rotated(f)
	t.reader.Start(f.File, c.h)
}
