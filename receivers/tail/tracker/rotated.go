package tracker

import (
	"path/filepath"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/finder"
)

// search is for the files that once stood at a path and now stand beside it, under a rotated name or any other.
type search struct {
	path    string
	missing []checkpoint.Entry // of files that stood there
	after   time.Time          // files with a rotated name that were born later stood there too; zero: none
	before  finder.Listing     // what that saw did not stand there since
	elder   fileid.Key         // of the file that stood there before; zero: not known
	again   int                // how often the search is still to be made: a folder may change while it is read
}

// search makes the searches of a listing, all at its end: a file is opened before the folder is read here, so whatever
// was renamed away before the opening is found.
func (t *Tracker) search(searches []search) {
	for _, q := range searches {
		dir := filepath.Dir(q.path)
		for _, e := range q.missing {
			if name, ok := t.siblings.Find(dir, e.Key); ok && t.adoptRotated(name, q.path) != nil {
				q.elder = e.Key
				continue
			}
			if c, _ := t.findCopy(q.path, e, e.Offset); c != nil && t.checkpoint.Take(e) {
				t.goOn(c, e)
			} else if fileid.Mounted(dir, e.Key.Dev) {
				t.giveUp(e)
			}
		}
		if !q.after.IsZero() {
			t.between(q, dir)
			// Where the one before it went, those between may have gone, too.
			if name, ok := t.siblings.Find(dir, q.elder); ok && filepath.Dir(name) != dir {
				t.between(q, filepath.Dir(name))
			}
		}
	}
}

// between reads the files that stood at a path after a known time, when a file that we know was born or when we
// looked last, and before the one that stands there now: two rotations between two looks. They bear a rotated name in dir,
// and were born later than that. Copies and restored files (gunzip, cp -p) are none of them: what they have is older.
func (t *Tracker) between(q search, dir string) {
	current := t.byPath[q.path]
	for _, found := range t.siblings.Rotated(dir, q.path) {
		s := found.Stat
		restored := s.Birth != 0 && s.Modified < s.Birth
		if t.files[s.Key] != nil || !s.Born().After(q.after) || restored {
			continue
		}
		if q.before.Known() && q.before.Saw(filepath.Base(found.Path), s.Born()) {
			continue
		}
		if current != nil && s.Birth != 0 && current.Key.Birth > q.after.UnixNano() && s.Birth > current.Key.Birth {
			continue // younger than the file that stands there
		}
		t.adoptRotated(found.Path, q.path)
	}
}

// rotatedAway is the file that stood at a path when the checkpoint was written, if it stands beside it now.
func (t *Tracker) rotatedAway(path string) (youngest *file) {
	_, entries := t.at(path)
	for _, e := range entries {
		name, ok := t.siblings.Find(filepath.Dir(path), e.Key)
		if !ok || name == path {
			continue
		}
		if f := t.adoptRotated(name, path); f != nil && (youngest == nil || f.Born().After(youngest.Born())) {
			youngest = f
		}
	}
	return youngest
}

// adoptRotated reads a file that stood at path, unless it is a copy. It answers nil when the file is none of ours.
func (t *Tracker) adoptRotated(name, path string) *file {
	c := t.open(name)
	if c == nil {
		return nil
	}
	b := c.begin(path)
	if e, known := t.claim(c); known {
		b = c.resume(e)
	} else if of, e, found := t.origin(c); of != nil {
		c.h.Close()
		return nil
	} else if found {
		b = c.resume(e)
	}
	f := t.follow(&file{File: t.reader.NewFile(b)})
	f.Rotated()
	t.reader.Start(f.File, c.h)
	return f
}

// giveUp counts what was not read of a file that went away while we were down, as far as we know it.
func (t *Tracker) giveUp(e checkpoint.Entry) {
	unread := e.Unread()
	if unread == 0 {
		return
	}
	t.checkpoint.GiveUp(e)
	t.reader.Lose(pipeline.DropRotatedUnread, 1, unread)
	t.log.Warn("a file went away while the agent was down, before it was read to its end; its rest is lost and counted as rotated_unread", "file", e.Path, "unread_bytes", unread)
}

// searchesAtStart are for what the checkpoint knows and the first listing did not give: files that were rotated away
// while we were down.
func (t *Tracker) searchesAtStart() []search {
	if !t.checkpoint.Existed() {
		return nil
	}
	missing := t.checkpoint.AbsentByPath()
	newest := t.newestGone(missing)
	// When the checkpoint was written, each path led to what the checkpoint says, or had some seconds before.
	saved := t.checkpoint.SavedAt().Add(-savedLate)
	later := func(at time.Time) time.Time {
		if at.IsZero() || at.After(saved) {
			return at
		}
		return saved
	}
	var out []search
	for path, entries := range missing {
		out = append(out, search{path: path, missing: entries, after: later(newest[path])})
	}
	for path, f := range t.byPath {
		if f.known || missing[path] != nil {
			continue
		}
		after := later(newest[path])
		if after.IsZero() {
			// The checkpoint never saw a file at this path: those that stood there were made after it was written.
			after = t.checkpoint.SavedAt().Add(-finder.Settle)
		}
		out = append(out, search{path: path, after: after})
	}
	return out
}

// newestGone is, by path, when the youngest file was born that stood there and does not now, whether it was found
// elsewhere or is missing.
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

// searchFor is the search that a new file at a path calls for. before is the file that stood there, nil when we know
// none.
func (t *Tracker) searchFor(found finder.File, before *file) search {
	q := search{path: found.Path, before: t.finder.Before(filepath.Dir(found.Path)), again: searchTimes - 1}
	if before != nil {
		q.after, q.elder = before.Born(), before.Key
		if before.in != nil {
			q.before = before.in.Listing() // in which the path led to it; there may have been one since with nothing there
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

// searchTimes is how often a search is made that a rotation calls for, a listing apart.
const searchTimes = 3

// savedLate is how much later than we looked the checkpoint may have been written.
const savedLate = 10 * time.Second
