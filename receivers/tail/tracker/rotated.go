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

// search looks for files that once were at a path and now have another name.
type search struct {
	path    string
	missing []checkpoint.Entry // of files that were there
	after   time.Time          // files with a rotated name born later were there too; zero: none
	before  finder.Listing     // what it saw was not at the path since
	unseen  bool               // all content since after is unseen, also what was copied from the current file (copytruncate)
	elder   fileid.Key         // the previous file at the path; zero: unknown
	reader  *reader.File       // search once it has read something; nil: at once
	again   int                // remaining repeats: a folder may change while it is read
}

// search runs after a listing: files are opened before the folder is read here, so one renamed before its opening is found.
func (t *Tracker) search(searches []search) {
	for _, q := range searches {
		dir := filepath.Dir(q.path)
		for _, e := range q.missing {
			if name, ok := t.siblings.Find(dir, e.Key); ok && t.adoptRotated(name, q.path, nil) != nil {
				q.elder = e.Key
				continue
			}
			if c, _ := t.findCopy(q.path, e, e.Offset); c != nil && t.checkpoint.Take(e) {
				t.goOn(c, e)
			} else if fileid.Mounted(dir, e.Key.Dev) {
				t.giveUp(e)
			}
		}
		switch {
		case q.unseen:
			for _, place := range t.siblings.Places(q.path) {
				t.between(q, place)
			}
		case !q.after.IsZero():
			t.between(q, dir)
			// If the previous file moved to another folder, those between may have too.
			if name, ok := t.siblings.Find(dir, q.elder); ok && filepath.Dir(name) != dir {
				t.between(q, filepath.Dir(name))
			}
		}
	}
}

// between reads files that were at a path only between two looks (two rotations): they have a rotated name and were born
// after q.after and before the current file. Copies and restored files (gunzip, cp -p) have older content and are skipped.
func (t *Tracker) between(q search, dir string) {
	var current fileid.Key
	if f := t.byPath[q.path]; f != nil {
		current = f.Key
	}
	for _, found := range t.inBetween(q, dir, current) {
		t.adoptRotated(found.Path, q.path, nil)
	}
}

// inBetween returns the files that between would read, oldest first.
func (t *Tracker) inBetween(q search, dir string, current fileid.Key) (out []finder.File) {
	for _, found := range t.siblings.Rotated(dir, q.path) {
		s := found.Stat
		restored := s.Birth != 0 && s.Modified < s.Birth
		if t.files[s.Key] != nil || !s.Born().After(q.after) || restored {
			continue
		}
		if q.before.Known() && q.before.Saw(filepath.Base(found.Path), s.Born()) {
			continue
		}
		if !q.unseen && s.Birth != 0 && current.Birth > q.after.UnixNano() && s.Birth > current.Birth {
			continue // younger than the current file
		}
		out = append(out, found)
	}
	slices.SortStableFunc(out, func(a, b finder.File) int { return a.Stat.Born().Compare(b.Stat.Born()) })
	return out
}

// elder returns the file whose unfinished records the new file at a path continues, given the last one followed there:
// those in between are read, one after the other.
func (t *Tracker) elder(last *file, found finder.File) *file {
	q := search{path: found.Path, after: last.Born()}
	if !t.first {
		q = t.searchFor(found, last)
	} else if saved := t.checkpoint.SavedAt().Add(-savedLate); saved.After(q.after) {
		q.after = saved
	}
	for _, other := range t.inBetween(q, filepath.Dir(found.Path), found.Stat.Key) {
		if f := t.adoptRotated(other.Path, found.Path, last); f != nil {
			last = f
		}
	}
	return last
}

// rotatedAway returns the file that was at path when the checkpoint was written.
func (t *Tracker) rotatedAway(path string) (youngest *file) {
	_, entries := t.at(path)
	for _, e := range entries {
		name, ok := t.siblings.Find(filepath.Dir(path), e.Key)
		if !ok || name == path {
			continue
		}
		if f := t.adoptRotated(name, path, nil); f != nil && (youngest == nil || f.Born().After(youngest.Born())) {
			youngest = f
		}
	}
	return youngest
}

// adoptRotated reads a file that was at path after elder (nil: unknown), unless it is a copy. It returns nil if the file is
// not followed.
func (t *Tracker) adoptRotated(name, path string, elder *file) *file {
	c := t.open(name)
	if c == nil {
		return nil
	}
	b := c.begin(path)
	if e, known := t.claim(c); known {
		b = c.resume(e)
	} else if of, e, found := t.origin(c, path); of != nil {
		c.h.Close()
		return nil
	} else if found {
		b = c.resume(e)
	}
	f := t.follow(&file{File: t.newFile(b)})
	f.Rotated()
	if elder != nil && b.Offset == 0 {
		t.reader.Succeed(elder.File, f.File)
	}
	t.reader.Start(f.File, c.h)
	return f
}

func (t *Tracker) giveUp(e checkpoint.Entry) {
	unread := e.Unread()
	if unread == 0 {
		return
	}
	t.checkpoint.GiveUp(e)
	t.reader.Lose(pipeline.DropRotatedUnread, 1, unread)
	t.log.Warn("a file went away while the agent was down, before it was read to its end; its rest is lost and counted as rotated_unread", "file", e.Path, "unread_bytes", unread)
}

// searchesAtStart finds files that were rotated while we were down.
func (t *Tracker) searchesAtStart() []search {
	if !t.checkpoint.Existed() {
		return nil
	}
	missing := t.checkpoint.AbsentByPath()
	newest := t.newestGone(missing)
	// When the checkpoint was written, its entries were correct or some seconds old.
	saved := t.checkpoint.SavedAt().Add(-savedLate)
	later := func(at time.Time) time.Time {
		if at.IsZero() || at.After(saved) {
			return at
		}
		return saved
	}
	var out []search
	for path, entries := range missing {
		if e := entries[0]; t.finder.Excluded(path, e.As) || !t.finder.Chosen(path, e.Link) {
			continue // a new configuration leaves it out
		}
		out = append(out, search{path: path, missing: entries, after: later(newest[path]), again: searchTimes - 1})
	}
	for path, f := range t.byPath {
		if f.known && !f.empty || missing[path] != nil {
			continue
		}
		after := later(newest[path])
		if after.IsZero() {
			// The checkpoint has no file at this path, or an empty one: files there are newer.
			after = t.checkpoint.SavedAt().Add(-finder.Settle)
		}
		out = append(out, search{path: path, after: after, unseen: true, again: searchTimes - 1})
	}
	return out
}

// newestGone returns, by path, the birth of the youngest file that was there and is not now.
func (t *Tracker) newestGone(missing map[string][]checkpoint.Entry) map[string]time.Time {
	newest := map[string]time.Time{}
	note := func(path string, born time.Time) {
		if born.After(newest[path]) {
			newest[path] = born
		}
	}
	for path, entries := range missing {
		for _, e := range entries {
			note(path, e.Born())
		}
	}
	for _, f := range t.files {
		if f.Name() != f.Path {
			note(f.Path, f.Born())
		}
	}
	return newest
}

// searchFor returns the search for a new file at a path; before is the previous one, if known.
func (t *Tracker) searchFor(found finder.File, before *file) search {
	q := search{path: found.Path, before: t.finder.Before(filepath.Dir(found.Path)), again: searchTimes - 1}
	if before != nil {
		q.after, q.elder = before.Born(), before.Key
		if before.in != nil {
			q.before = before.in.Listing() // the listing that contains it; in a later one the path may have been empty
		}
		return q
	}
	if q.before.Known() {
		q.after = time.Unix(0, 1)
	} else {
		q.after = t.listed.Add(-finder.Settle)
	}
	for _, e := range t.checkpoint.Absent(found.Path) {
		q.missing = append(q.missing, e)
		if born := e.Born(); born.After(q.after) {
			q.after = born
		}
	}
	return q
}

// searchTimes is how many listings repeat a search after a rotation.
const searchTimes = 3

// savedLate is the largest delay between a look and the checkpoint with it.
const savedLate = 10 * time.Second
