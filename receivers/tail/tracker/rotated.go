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
}

// search makes the searches of a listing, all at its end: a file is opened before the folder is read here, so whatever
// was renamed away before the opening is found.
func (t *Tracker) search(searches []search) {
	t.siblings.Reset()
	for _, q := range searches {
		dir := filepath.Dir(q.path)
		for _, e := range q.missing {
			if name, ok := t.siblings.Find(dir, e.Key); ok {
				t.adoptRotated(name, q.path)
			} else if fileid.Mounted(dir, e.Key.Dev) {
				t.giveUp(e)
			}
		}
		if !q.after.IsZero() {
			t.between(q)
		}
	}
}

// between reads the files that stood at a path after a known time, when a file that we know was born or when we
// looked last, and before the one that stands there now: two rotations between two looks. They bear a rotated name,
// and were born later than that.
func (t *Tracker) between(q search) {
	for _, found := range t.siblings.Rotated(q.path) {
		if t.files[found.Stat.Key] == nil && found.Stat.Born().After(q.after) {
			t.adoptRotated(found.Path, q.path)
		}
	}
}

func (t *Tracker) adoptRotated(name, path string) {
	if f, h := t.adopt(name, path, false); f != nil {
		f.Rotated()
		t.reader.Start(f.File, h)
	}
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
	var out []search
	for path, entries := range missing {
		out = append(out, search{path, entries, newest[path]})
	}
	for path, f := range t.byPath {
		if f.known || missing[path] != nil {
			continue
		}
		after := newest[path]
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
func (t *Tracker) searchFor(path string, before *file) search {
	if before != nil {
		return search{path: path, after: before.Born()}
	}
	q := search{path: path, after: t.listed.Add(-finder.Settle)}
	for _, e := range t.checkpoint.Absent(path) {
		q.missing = append(q.missing, e)
		if born := e.Born(); born.After(q.after) || len(q.missing) == 1 {
			q.after = born
		}
	}
	return q
}
