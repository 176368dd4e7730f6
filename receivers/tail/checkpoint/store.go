// Package checkpoint keeps what was delivered of each file over restarts: an entry a file, in one text file (codec.go), to
// which changes are appended until it is written anew (journal.go).
//
// The entries of files that are followed come from whoever follows them; those of files that are not there, or were not
// found yet, are kept here (absent.go) until they are claimed or too old.
package checkpoint

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/internal/statefile"
)

const (
	// SaveEvery is how often the checkpoint is written at most, and so how much may be sent twice after a kill,
	// beside what is in flight.
	SaveEvery = time.Second
	// saveFirst is when it is written first after a start, so that a process that is killed again and again, each time
	// within a second, still gets on.
	saveFirst = 200 * time.Millisecond
)

// Store is the checkpoint file.
type Store struct {
	path     string // empty: nothing is kept
	log      *slog.Logger
	onFailed func() // is called for each checkpoint that cannot be written, or was damaged

	journal journal
	existed bool
	saved   time.Time
	failing bool
	lock    io.Closer   // while we run
	behind  atomic.Bool // the file is older than what we know

	mu     sync.Mutex
	absent absent
}

// Live gives the entries of the files that are followed, at a time.
type Live func(now time.Time) []Entry

// New makes a store of the file at path; with an empty path it keeps nothing. It touches no file. onFailed counts
// checkpoints that cannot be written, or were damaged.
func New(path string, log *slog.Logger, onFailed func()) *Store {
	return &Store{path: path, log: log, onFailed: onFailed, journal: journal{path: path}, absent: absent{}}
}

// Lock keeps a second process off the checkpoint: each would write its own over the other's. Where nothing can be locked,
// on a read-only disk or some network file systems, following goes on without.
func (s *Store) Lock() error {
	if s.path == "" {
		return nil
	}
	lock, err := statefile.Own(s.path)
	switch {
	case errors.Is(err, statefile.ErrTaken):
		return err
	case err != nil:
		s.log.Warn("cannot lock the checkpoint; make sure that no second process uses this data directory", "error", err)
	default:
		s.lock = lock
	}
	return nil
}

// Unlock lets the next process, or the graph after a reload, have the checkpoint.
func (s *Store) Unlock() {
	if s.lock != nil {
		s.lock.Close()
	}
}

// Load reads the checkpoint. Damage costs the entries it touched, whose files are read from the beginning: twice
// rather than not at all. The damaged file is kept for inspection.
func (s *Store) Load() {
	if s.path == "" {
		s.log.Warn("no data directory, so no checkpoint: a restart begins again at start_at and may miss or repeat lines; set --data-dir or checkpoint_dir")
		return
	}
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	s.existed = true
	if info, serr := os.Stat(s.path); serr == nil {
		s.saved = info.ModTime()
	}
	var entries []Entry
	if err == nil {
		entries, err = Decode(b)
	}
	if err != nil {
		s.onFailed()
		log := s.log.With("file", s.path, "entries", len(entries), "error", err)
		aside := s.path + ".damaged"
		if rerr := os.Rename(s.path, aside); rerr == nil {
			log.Error("the checkpoint is damaged; files whose entries are lost are read again from the beginning, expect duplicates", "moved_to", aside)
		} else {
			log.Error("the checkpoint is damaged and cannot be moved aside; files whose entries are lost are read again from the beginning, expect duplicates", "move_error", rerr)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.absent.add(e)
	}
}

// Existed says whether there was a checkpoint when it was loaded: files that it does not know are newer than it.
func (s *Store) Existed() bool { return s.existed }

// SavedAt is when the checkpoint that was loaded was written, by the file system's clock.
func (s *Store) SavedAt() time.Time { return s.saved }

// Changed says that there is something new to save.
func (s *Store) Changed() { s.behind.Store(true) }

// Run writes the checkpoint whenever it is behind, until ctx ends.
func (s *Store) Run(ctx context.Context, live Live) {
	tick := time.NewTicker(saveFirst)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.Save(now, live)
			tick.Reset(SaveEvery)
		case <-ctx.Done():
			return
		}
	}
}

// Save writes what changed, if anything did. Failures are counted and tried again; the file on disk stays whole. One
// goroutine at a time may call it.
func (s *Store) Save(now time.Time, live Live) {
	if s.path == "" || !s.behind.Swap(false) && !s.failing {
		return
	}
	s.write(now, s.entries(now, live), false)
}

// Close writes the checkpoint as a whole: its time says until when we looked.
func (s *Store) Close(now time.Time, live Live) {
	if s.path != "" {
		s.write(now, s.entries(now, live), true)
	}
}

func (s *Store) write(now time.Time, entries []Entry, whole bool) {
	err := s.journal.write(now, entries, whole)
	if err != nil {
		s.onFailed()
		if !s.failing {
			s.log.Error("cannot write the checkpoint; reading goes on, and a restart now would send lines again; retrying every second", "error", err)
		}
		s.failing = true
		return
	}
	if s.failing {
		s.log.Info("the checkpoint is written again")
	}
	s.failing = false
}

// entries are those of the files that are followed, and of those that are not there for now. The lock is held over both,
// so that a file that goes from one to the other at this moment is not missed.
func (s *Store) entries(now time.Time, live Live) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(live(now), s.absent.prune(now)...)
}
