// Package tracker decides which files are followed: it lists the globs, classifies files (new, renamed, replaced, deleted),
// polls idle ones, and starts readers.
//
// tracker.go is the main loop, adopt.go adds and removes files, rotated.go finds renamed files, copies.go finds copies.
package tracker

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/finder"
	"github.com/sluiceio/sluice/receivers/tail/reader"
)

// Config is what a user sets.
type Config struct {
	StartAtEnd      bool // for files found at the very first start
	PollInterval    time.Duration
	MaxDeletedBytes int64
	SaveDir         string // where the reader copies the rest of deleted files
}

// Settings is what code is given.
type Settings struct {
	Finder     *finder.Finder
	Reader     *reader.Reader
	Checkpoint *checkpoint.Store // loaded before the first List
	Unreadable *finder.Unreadable
	Log        *slog.Logger
}

// Tracker follows files. Only the goroutine of List and Run changes files, so it reads them without the lock.
type Tracker struct {
	cfg        Config
	finder     *finder.Finder
	reader     *reader.Reader
	checkpoint *checkpoint.Store
	unreadable *finder.Unreadable
	log        *slog.Logger

	mu       sync.Mutex
	files    map[fileid.Key]*file
	rewrites []rewrite // reported by readers

	byPath map[string]*file // file last found at each path
	round  int
	first  bool // before the first listing, where start_at applies

	searches []search // for the end of this listing
	siblings finder.Siblings
	stale    []checkpoint.Entry            // contents that are gone from their files
	index    map[string][]*file            // by path and name, for this listing; nil: not built
	absent   map[string][]checkpoint.Entry // built with index
	orphans  []*reader.File                // contents without a file, with requests outstanding
	wake     chan struct{}                 // ends the pause between two rounds

	nextList time.Time
	listed   time.Time     // start of the last listing
	cost     time.Duration // of the last listing
}

type file struct {
	*reader.File
	known  bool           // the checkpoint knew it
	empty  bool           // without content
	copyOf *file          // original with the same content, which is read instead
	round  int            // last listing that contained it
	in     *finder.Folder // the same, of its folder
	older  *finder.Folder // the previous one, until since
	since  time.Time
	yields int           // last listing in which it was to make room for a file with its content
	missed int           // listing after which it counts as gone; 0: present
	due    time.Time     // next look while nobody reads it
	pause  time.Duration // delay to the look after that
}

const (
	// listShare limits listing to 1/listShare of a core.
	listShare = 50
	// crowdedShare speeds up polling while files wait to be opened.
	crowdedShare = 16
)

// New makes a tracker that follows nothing yet.
func New(cfg Config, s Settings) *Tracker {
	return &Tracker{
		cfg: cfg, finder: s.Finder, reader: s.Reader, checkpoint: s.Checkpoint, unreadable: s.Unreadable, log: s.Log,
		files: map[fileid.Key]*file{}, byPath: map[string]*file{}, first: true, wake: make(chan struct{}, 1),
	}
}

// Run follows files until ctx ends.
func (t *Tracker) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer t.finder.Close()
	for now := time.Now(); ; {
		if !now.Before(t.nextList) {
			begin := time.Now()
			t.List(ctx, begin)
			end := time.Now()
			// Use the smaller of two costs: a busy machine may inflate one.
			cost := end.Sub(begin)
			t.nextList = end.Add(max(t.cfg.PollInterval/2, listShare*min(cost, t.cost)))
			t.cost = cost
		} else if t.finder.Changed() {
			t.listChanged(ctx, now)
		}
		pause := t.cfg.PollInterval
		if waiting := t.lookAround(now); waiting {
			pause /= crowdedShare
		}
		timer.Reset(pause)
		select {
		case now = <-timer.C:
		case <-t.wake:
			now = time.Now()
		case <-ctx.Done():
			return
		}
	}
}

func (t *Tracker) wakeUp() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// List lists the globs and handles the result.
func (t *Tracker) List(ctx context.Context, now time.Time) {
	t.round++
	fresh := t.first && !t.checkpoint.Existed()
	if t.first {
		t.adoptSaved()
	}
	// Always finish the first listing: with half of it in the checkpoint, the other half would count as new.
	if !t.take(ctx, t.finder.Find(now), fresh) {
		return
	}
	if t.first {
		t.first = false
		if missing := t.finder.Missing(); len(missing) > 0 {
			t.log.Warn("folders that are to be read do not exist; their files are read from the beginning when they appear", "include", missing)
		}
		t.searches = append(t.searches, t.searchesAtStart()...)
	}
	t.searchAll()
	t.listed = now
	for _, f := range t.files {
		if t.byPath[f.Path] != f || f.round != t.round {
			t.rotated(f)
		}
	}
	t.unreadable.Prune(now)
}

// listChanged lists only folders with kernel events. Missing files are noticed by lookAround or List.
func (t *Tracker) listChanged(ctx context.Context, now time.Time) {
	if t.take(ctx, t.finder.FindChanged(now), false) {
		t.searchAll()
	}
}

// take returns false if ctx ended meanwhile.
func (t *Tracker) take(ctx context.Context, files []finder.File, fresh bool) bool {
	t.resolve()
	t.index = nil
	t.siblings.Reset()
	var later []finder.File // possible copies, handled after the originals
	for _, found := range files {
		f := t.byPath[found.Path]
		switch known := t.files[found.Stat.Key]; {
		case f != nil && f.Key == found.Stat.Key:
			f.round = t.round
			f.listedIn(found.In)
			if f.Path == found.Path {
				f.Returned()
			}
		case ctx.Err() != nil && !fresh:
			return false
		case known != nil:
			// A known file under a new name.
			known.round = t.round
			known.Rename(found.Path)
			t.byPath[found.Path] = known
		default:
			if t.appear(found, fresh, false) {
				later = append(later, found)
			}
			if f != nil && f.Key != found.Stat.Key {
				t.rotated(f)
			}
		}
	}
	for _, found := range later {
		t.appear(found, fresh, true)
	}
	t.staleEntries()
	return true
}

func (t *Tracker) searchAll() {
	var due, later []search
	for _, q := range t.searches {
		switch {
		case q.reader != nil && t.files[q.reader.Key] == nil: // forgotten
		case q.reader != nil && !q.reader.Begun():
			later = append(later, q)
		default:
			due = append(due, q)
		}
	}
	t.search(due)
	for _, q := range due {
		if q.again > 0 {
			later = append(later, search{path: q.path, after: q.after, before: q.before, unseen: q.unseen, elder: q.elder, again: q.again - 1})
		}
	}
	t.searches = later
}

// appear handles a path with an unknown file. A possible copy waits unless last is set.
func (t *Tracker) appear(found finder.File, fresh, last bool) (later bool) {
	if !t.unreadable.Due(found.Path) {
		return false
	}
	before := t.byPath[found.Path]
	if t.first && last && before == nil {
		before = t.rotatedAway(found.Path)
	}
	if c := t.open(found.Path); c != nil {
		b := c.begin(found.Path)
		var of *file
		e, known := t.claim(c)
		if !known && t.first && before == nil {
			e, known = t.editedBefore(c)
		}
		switch {
		case known:
			b = c.resume(e)
		case t.replaces(c, before):
			return false
		case fresh && t.cfg.StartAtEnd:
			b.Offset = lastLineEnd(c.h, c.stat.Size)
		case !last && (len(fileid.Originals(filepath.Base(found.Path))) > 0 || t.first && t.checkpoint.Existed() && t.isPodLog(found.Path)):
			c.h.Close()
			return true
		case last:
			if of, e, known = t.origin(c, ""); known && of == nil {
				b = c.resume(e)
			}
		}
		f := t.follow(&file{File: t.newFile(b), known: known, empty: !e.Fingerprint.Known(), round: t.round, in: found.In})
		t.byPath[found.Path] = f
		if c.stat.Size == 0 && found.In != nil {
			t.searchOnceBegun(f, found.In.Listing())
		}
		if of != nil {
			t.asCopy(f, of, c)
			c.h.Close()
		} else {
			if before != nil && b.Offset == 0 {
				t.reader.Succeed(t.elder(before, found).File, f.File)
			}
			t.reader.Start(f.File, c.h)
		}
	}
	if !t.first {
		t.searches = append(t.searches, t.searchFor(found, before))
	}
	return false
}

// lookAround polls files without a reader and starts readers for changed ones. It reports whether some wait for a slot.
func (t *Tracker) lookAround(now time.Time) (waiting bool) {
	t.resolve()
	for _, f := range t.files {
		if f.Reading() {
			continue
		}
		if saved := f.TakeSaved(); saved != nil {
			t.moveIn(f, saved)
			continue
		}
		if f.Rewritten() || now.Before(f.due) || f.yields == t.round {
			continue
		}
		if f.TakeYield() && t.reader.Rescue(f.File) {
			continue
		}
		if t.isSaved(f) && f.Done() {
			t.discard(f)
			continue
		}
		if f.Deleted() {
			if !f.Outstanding() {
				t.forget(f)
			}
			continue
		}
		s, err := fileid.StatPath(f.Name())
		if err != nil && !os.IsNotExist(err) {
			t.unreadable.Report(f.Name(), err)
			t.rest(f, now)
			continue
		}
		if err != nil || !s.Same(f.Key) {
			t.miss(f)
			continue
		}
		f.missed = 0
		if !f.Look(s) || f.copyOf != nil && t.review(f) {
			t.rest(f, now)
			continue
		}
		f.pause = 0
		if t.unreadable.Due(f.Name()) && !t.reader.Start(f.File, nil) {
			waiting = true
		}
	}
	if len(t.orphans) > 0 {
		t.mu.Lock()
		t.orphans = slices.DeleteFunc(t.orphans, func(f *reader.File) bool { return !f.Outstanding() })
		t.mu.Unlock()
	}
	t.reader.Pace(len(t.files), waiting)
	t.limitDeleted()
	return waiting
}

func (t *Tracker) rest(f *file, now time.Time) {
	f.pause = min(max(f.pause*2, t.cfg.PollInterval), t.reader.Rest())
	f.due = now.Add(f.pause)
}

// limitDeleted makes readers of deleted files give up, largest first, above MaxDeletedBytes.
func (t *Tracker) limitDeleted() {
	var total int64
	var largest *file
	for _, f := range t.files {
		size := f.DeletedBytes()
		if total += size; size > 0 && (largest == nil || size > largest.DeletedBytes()) {
			largest = f
		}
	}
	if total > t.cfg.MaxDeletedBytes && largest != nil {
		largest.GiveUp()
	}
}

func (t *Tracker) rotated(f *file) {
	if first := f.Rotated(); first {
		f.due = time.Time{}
	}
}

// Entries returns the checkpoint entries of the followed files.
func (t *Tracker) Entries(now time.Time) []checkpoint.Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]checkpoint.Entry, 0, len(t.files))
	former := make(map[*reader.File]*reader.File, len(t.rewrites))
	for _, rw := range t.rewrites {
		if former[rw.now] == nil {
			former[rw.now] = rw.old
		}
	}
	for _, f := range t.files {
		switch old := former[f.File]; {
		case old != nil:
			out = append(out, old.Entry(now)) // until that content is found
		default:
			// Of a deleted file, the next start looks for the rest in a sibling, or counts it.
			if e := f.Entry(now); !f.Deleted() || e.Unread() > 0 {
				out = append(out, e)
			}
		}
	}
	return out
}

// Census returns the number of followed files and their unread bytes.
func (t *Tracker) Census() (files int, unread int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.files {
		unread += f.Unread()
	}
	return len(t.files), unread
}
