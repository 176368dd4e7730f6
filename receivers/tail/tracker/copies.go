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

// A file's content may move to another file: copytruncate, cp and rm, a restored backup. A copy is not read while the
// original has the content; once the original lost it, the copy is read from where we were. See
// docs/decisions/0014-a-copy-is-known-by-its-content.md.

// rewrite is a file whose content was replaced. old is the former content, without a file until a copy is found.
type rewrite struct {
	now, old *reader.File
	since    time.Time
}

// patience is how long a former content waits for the reader of another overwritten file, perhaps the copy, to notice.
const patience = 3 * time.Second

// Rewritten implements reader.Settings.Rewritten. The lock hides the state in which nobody has the former content.
func (t *Tracker) Rewritten(now *reader.File, part func() *reader.File) {
	t.mu.Lock()
	t.rewrites = append(t.rewrites, rewrite{now, part(), time.Now()})
	t.mu.Unlock()
	t.wakeUp()
}

// resolve searches the former contents of rewritten files and classifies the new ones.
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
		if done, wait := t.regain(f, rw); done || wait {
			continue
		}
		if t.rehome(f, rw) {
			rw.now.Resolved()
			t.checkpoint.Changed()
			t.judge(f)
		}
	}
}

// noticed is the longest time until a reader notices new content.
const noticed = 10 * time.Second

func (f *file) listedIn(in *finder.Folder) {
	if in == f.in {
		return
	}
	if now := time.Now(); now.Sub(f.since) > noticed {
		f.older, f.since = f.in, now
	}
	f.in = in
}

// listingThen returns a listing made before the current content, which the reader has just noticed.
func (f *file) listingThen() (l finder.Listing) {
	switch {
	case f.older != nil && time.Since(f.since) <= noticed:
		return f.older.Listing()
	case f.in != nil:
		return f.in.Listing()
	}
	return l
}

// rehome continues in a copy of f's former content, if found. It returns false if it is too early to tell.
func (t *Tracker) rehome(f *file, rw rewrite) bool {
	old := rw.old
	e, place := old.Entry(time.Now()), old.Place()
	c, overwritten := t.findCopy(f.Name(), e, place)
	if c == nil && overwritten && time.Since(rw.since) < patience {
		return false
	}
	t.mu.Lock()
	t.forgetRewrite(rw)
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
		// Another content in between may have been copied and truncated unseen.
		t.searches = append(t.searches, search{path: f.Path, after: f.Born(), before: then, again: searchTimes - 1})
		t.searchOnceBegun(f, then)
	}
	for _, other := range t.files {
		if other.copyOf == f {
			other.copyOf = nil
		}
	}
	t.truncated(f.Name(), unread, records)
	return true
}

// forgetRewrite: t.mu is held.
func (t *Tracker) forgetRewrite(rw rewrite) {
	t.rewrites = slices.DeleteFunc(t.rewrites, func(x rewrite) bool { return x == rw })
}

// searchOnceBegun arranges a search for f's copies made since a listing. Until a reader has seen the first bytes of f,
// nothing shows that other ones were copied and truncated before them.
func (t *Tracker) searchOnceBegun(f *file, since finder.Listing) {
	t.searches = append(t.searches, search{path: f.Path, after: f.Born(), before: since, reader: f.File, again: searchTimes - 1})
}

func (t *Tracker) truncated(name string, unread int64, records int) {
	if unread > 0 {
		t.reader.Lose(pipeline.DropTruncatedUnread, records, unread)
	}
	t.log.Info("a file was truncated or rewritten; reading it from the beginning", "file", name, "unread_bytes", unread)
}

// findCopy returns the largest file in name's folder or, with a derived name, right below (olddir) that has the entry's content, at least up to place. overwritten: a file
// followed for other content has it, and its reader has yet to notice.
func (t *Tracker) findCopy(name string, e checkpoint.Entry, place int64) (best *candidate, overwritten bool) {
	if !e.Fingerprint.Known() {
		return nil, false
	}
	var paths []string
	for _, place := range t.siblings.Places(name) {
		paths = append(paths, t.siblings.In(place)...)
	}
	for _, path := range paths {
		base := filepath.Base(path)
		if path == name {
			continue
		}
		if !fileid.IsDerivedName(filepath.Base(name), base) && !fileid.IsDerivedName(filepath.Base(e.Path), base) {
			// Under other names, accept only a full fingerprint and a file beside it made since.
			if filepath.Dir(path) != filepath.Dir(name) {
				continue
			}
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

func (c *candidate) stands() bool {
	s, err := fileid.StatFile(c.h)
	return err == nil && s.Size == c.stat.Size && s.Modified == c.stat.Modified
}

// openAny opens a file, followed or not.
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

// origin returns the file that the candidate copies, or the entry of a content that is gone. It is at a path that the
// candidate's name derives from, or at the given one.
func (t *Tracker) origin(c *candidate, at string) (f *file, e checkpoint.Entry, found bool) {
	var paths []string
	for _, base := range fileid.Originals(filepath.Base(c.name)) {
		paths = append(paths, filepath.Join(filepath.Dir(c.name), base))
	}
	if at != "" && !slices.Contains(paths, at) {
		paths = append(paths, at)
	}
	for _, path := range paths {
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

func (t *Tracker) takeEntry(e checkpoint.Entry) bool {
	for i := range t.stale {
		if t.stale[i] == e {
			t.stale = append(t.stale[:i], t.stale[i+1:]...)
			return true
		}
	}
	return t.checkpoint.Take(e)
}

// copied reports whether the candidate copies f's content, current or as last read.
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

// formerEntry returns the entry of a file's content when last read, acknowledged or not.
func (t *Tracker) formerEntry(f *file) checkpoint.Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, rw := range t.rewrites {
		if rw.now == f.File {
			return rw.old.Content()
		}
	}
	return f.Content()
}

// at returns the files and absent entries with this path.
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

func (t *Tracker) remember(f *file) {
	if t.index == nil {
		return
	}
	t.index[f.Path] = append(t.index[f.Path], f)
	if name := f.Name(); name != f.Path {
		t.index[name] = append(t.index[name], f)
	}
}

// judge checks whether a new file is a copy.
func (t *Tracker) judge(f *file) {
	if len(fileid.Originals(filepath.Base(f.Name()))) == 0 {
		return
	}
	c := t.openAny(f.Name())
	if c == nil {
		return
	}
	defer c.h.Close()
	if of, _, found := t.origin(c, ""); found && of != nil && c.stat.Key == f.Key {
		t.asCopy(f, of, c)
	}
}

func (t *Tracker) asCopy(f, of *file, c *candidate) {
	f.copyOf = of
	b := c.begin(f.Path)
	b.Offset, b.Mark = c.stat.Size, c.end()
	f.Jump(b)
	t.checkpoint.Changed()
}

// review reports whether a changed copy is still one and needs no reader.
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
	case o == nil || o.stat.Key != of.Key: // renamed or gone: new content here is not there
	case fileid.Begins(c.h, o.h, c.stat.Size):
		t.asCopy(f, of, c)
		return true
	case !c.stands() || !t.formerEntry(of).HeldBy(o.claim()):
		return true // it is being overwritten, or the original lost the content and its reader will report that
	}
	// They have diverged. If they were equal only by chance, read from the beginning.
	f.copyOf = nil
	if e := f.Entry(time.Now()); !e.Fingerprint.Full() || !e.HeldBy(c.claim()) {
		f.Jump(c.begin(f.Path))
	}
	return false
}

// staleEntries searches copies of contents that are gone from their files.
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

func (t *Tracker) goOn(c *candidate, e checkpoint.Entry) {
	if before := t.files[c.stat.Key]; before != nil {
		t.forget(before)
	}
	f := t.follow(&file{File: t.newFile(c.resume(e)), known: true, round: t.round})
	if _, listed := t.byPath[c.name]; listed {
		t.byPath[c.name] = f
	}
	t.rotated(f)
	t.reader.Start(f.File, c.h)
}
