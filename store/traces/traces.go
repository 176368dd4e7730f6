// Package traces keeps spans on one machine, finds traces by id and answers TraceQL.
//
// Spans are stored as the OTLP bytes they came as: the spans of one trace in one batch are one fragment, a trace is
// its fragments one after the other, and a search reads the fragments of its time range, the newest first, with the
// cursors of package wire. keys.go says how fragments lie in the key-value library; README.md what the store promises.
package traces

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/rejects"
)

// ErrEmpty is DropOldest's answer when nothing is stored.
var ErrEmpty = errors.New("no traces are stored")

// A Store keeps spans in a folder of its own. All its methods may be called at once.
type Store struct {
	settings pipeline.Settings
	teller   rejects.Teller
	options  Options
	dir      string
	db       *pebble.DB

	// life is held for reading by whatever uses db, and for writing by Close.
	life    sync.RWMutex
	closed  bool
	ending  context.Context // ends when Close begins, so that long searches let go of life
	end     context.CancelFunc
	chores  sync.WaitGroup
	queries chan struct{} // a place for each request that may read at once
	groups  sync.Pool     // *group
	metrics storeMetrics

	// writing orders what changes buckets with the rows that say so.
	writing sync.Mutex
	// stuck is set when the library panicked with its commit lock held: closing it would wait for ever. What was
	// acknowledged is in its log and comes back at the next start.
	stuck   bool
	buckets atomic.Pointer[[]bucket] // ascending; replaced, never changed
	broken  atomic.Pointer[error]    // set once, when the library can take no more writes
}

// Open opens the store in dir, which it makes if need be. A second process on the same folder fails.
func Open(s pipeline.Settings, dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("cannot open the trace store: %w", err)
	}
	db, err := pebble.Open(dir, o.engine(engineLog{s.Log}))
	if err != nil {
		return nil, fmt.Errorf("cannot open the trace store in %s: %w", dir, err)
	}
	st := &Store{settings: s, options: o, dir: dir, db: db, queries: make(chan struct{}, o.MaxQueries)}
	st.teller = rejects.Teller{Log: s.Log, What: "spans", Words: map[pipeline.Reason]string{
		pipeline.DropInvalid: "have no valid trace id and span id, or no time",
		pipeline.DropTooOld:  "are older than the retention of " + o.Retention.String(),
		pipeline.DropTooNew:  "end more than " + maxAhead.String() + " ahead of this machine's clock",
	}}
	st.groups.New = func() any { return new(group) }
	st.ending, st.end = context.WithCancel(context.Background())
	if err := st.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the trace store in %s: %w", dir, err), db.Close())
	}
	st.metrics.register(st)
	st.chores.Go(st.keepRetention)
	return st, nil
}

// load checks the format and reads which hours are stored.
func (s *Store) load() error {
	key := []byte{rowVersion}
	version, closer, err := s.db.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		if err := s.db.Set(key, []byte{formatVersion}, pebble.Sync); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		known := len(version) == 1 && version[0] == formatVersion
		if err := closer.Close(); err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("its format is %v, this program reads %d; use the program that wrote it, or remove the folder",
				version, formatVersion)
		}
	}
	return s.loadBuckets()
}

// Close waits for appends and queries under way, writes out what is in memory and lets go of the folder.
func (s *Store) Close() error {
	s.end()
	s.chores.Wait()
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.stuck {
		return fmt.Errorf("cannot close the trace store: %w", s.Ready())
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("cannot close the trace store: %w", err)
	}
	return nil
}

// closedError is why a store that ends does not answer. It is fs.ErrClosed.
type closedError string

func (e closedError) Error() string        { return string(e) }
func (e closedError) Is(target error) bool { return target == fs.ErrClosed }

const (
	errClosing = closedError("the trace store is closing")
	errClosed  = closedError("the trace store is closed")
)

// Begin admits a request that reads. It waits for one of the places that Options.MaxQueries counts. The context it returns
// ends with the caller's and with the store; the caller calls end when it has read.
func (s *Store) Begin(parent context.Context) (ctx context.Context, end func(), err error) {
	if err := s.enter(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(parent)
	forget := context.AfterFunc(s.ending, func() { cancel(errClosing) })
	quit := func() {
		forget()
		cancel(nil)
		s.leave()
	}
	select {
	case s.queries <- struct{}{}:
		return ctx, func() { <-s.queries; quit() }, nil
	case <-ctx.Done():
		err := context.Cause(ctx)
		quit()
		return nil, nil, err
	}
}

// enter keeps the store open until leave; it fails when the store is closed.
func (s *Store) enter() error {
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return errClosed
	}
	return nil
}

func (s *Store) leave() { s.life.RUnlock() }

// Ready returns why no more can be written, nil as long as it can.
func (s *Store) Ready() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Folders are those that have to be there as long as the store is open.
func (s *Store) Folders() []string { return []string{s.dir} }

// DiskBytes is what the store takes on disk, the write-ahead log included, of which up to three memtables' worth stays
// for ever. Tables that are being deleted do not count, so that whoever frees space by DropOldest sees its effect at once.
func (s *Store) DiskBytes() int64 {
	if s.enter() != nil {
		return 0
	}
	defer s.leave()
	m := s.db.Metrics()
	return int64(m.WAL.PhysicalSize + m.WAL.ObsoletePhysicalSize + m.Table.Local.LiveSize + m.BlobFiles.Local.LiveSize)
}

// now is the time in ns since 1970.
func (s *Store) now() uint64 { return uint64(s.options.Now().UnixNano()) }

// engineLog hands the library's messages to our log. Its routine messages are for debugging.
type engineLog struct{ log *slog.Logger }

func (l engineLog) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug(fmt.Sprintf(format, args...))
	}
}

func (l engineLog) Errorf(format string, args ...any) {
	l.log.Error("trace store: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return. The library's own would end the process; a panic lets commit turn a failed write into a
// refusal. In the library's own goroutines it still ends the process, for what cannot be written there is the list
// of its files, and what was acknowledged is in the log.
func (l engineLog) Fatalf(format string, args ...any) {
	panic("trace store: " + fmt.Sprintf(format, args...))
}

func unixNano(ns uint64) time.Time { return time.Unix(0, int64(ns)) }
