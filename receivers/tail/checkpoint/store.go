// Package checkpoint stores how far each file was delivered, in a text file (codec.go) with appended changes (journal.go).
//
// The caller provides the entries of followed files; those of absent files are kept here (absent.go).
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
	// SaveEvery is the minimum time between saves: after a kill, what was delivered since the last save is sent twice, and
	// what was in flight.
	SaveEvery = time.Second
	// saveFirst is the first save's delay: a process that is killed within a second, repeatedly, must still make progress.
	saveFirst = 200 * time.Millisecond
)

// Store is the checkpoint file.
type Store struct {
	path     string // empty: nothing is stored
	log      *slog.Logger
	onFailed func() // called for each failed or damaged checkpoint

	journal journal
	existed bool
	saved   time.Time
	failing bool
	lock    io.Closer   // while we run
	behind  atomic.Bool // the file is older than what we know

	mu     sync.Mutex
	absent absent
}

// Live returns the entries of the followed files.
type Live func(now time.Time) []Entry

// New makes a store for the file at path; an empty path stores nothing. onFailed is called for each failed write or damaged
// file.
func New(path string, log *slog.Logger, onFailed func()) *Store {
	return &Store{path: path, log: log, onFailed: onFailed, journal: journal{path: path}, absent: absent{}}
}

// Lock keeps other processes off the checkpoint. Where locking is unsupported (read-only disk, some network file systems),
// it only warns.
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

// Unlock releases the checkpoint.
func (s *Store) Unlock() {
	if s.lock != nil {
		s.lock.Close()
	}
}

// Load reads the checkpoint. Files with damaged entries are read again from the beginning; the damaged checkpoint is kept
// for inspection.
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

// Existed reports whether Load found a checkpoint.
func (s *Store) Existed() bool { return s.existed }

// SavedAt returns when the loaded checkpoint was written.
func (s *Store) SavedAt() time.Time { return s.saved }

// Changed requests a save.
func (s *Store) Changed() { s.behind.Store(true) }

// Run saves whenever there are changes, until ctx ends.
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

// Save writes changes, if any. Failures are counted and retried. Not for concurrent use.
func (s *Store) Save(now time.Time, live Live) {
	if s.path == "" || !s.behind.Swap(false) && !s.failing {
		return
	}
	s.write(now, s.entries(now, live), false)
}

// Close writes the whole checkpoint; its modification time is when we last looked.
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

// The lock covers both lists: a file may move between them.
func (s *Store) entries(now time.Time, live Live) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(live(now), s.absent.prune(now)...)
}
