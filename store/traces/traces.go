// Package traces stores spans on one machine, finds traces by id and answers TraceQL.
//
// Spans keep their OTLP bytes. The spans of one trace in one batch are a fragment; a trace is its fragments
// concatenated. A search scans the fragments of its time range, newest first. keys.go describes the key-value layout.
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

// ErrEmpty means that DropOldest found nothing.
var ErrEmpty = errors.New("no traces are stored")

// A Store keeps spans in a folder. It is safe for concurrent use.
type Store struct {
	settings pipeline.Settings
	teller   rejects.Teller
	options  Options
	dir      string
	db       *pebble.DB

	// life is read-locked by users of db and locked by Close.
	life    sync.RWMutex
	closed  bool
	ending  context.Context // ends when Close begins, so that long searches let go of life
	end     context.CancelFunc
	chores  sync.WaitGroup
	queries chan struct{} // a place for each request that may read at once
	groups  sync.Pool     // *group
	metrics storeMetrics

	// writing keeps buckets consistent with the rows.
	writing sync.Mutex
	// stuck: pebble panicked while holding its commit lock, so closing it would hang. Acknowledged spans are in its
	// log.
	stuck   bool
	buckets atomic.Pointer[[]bucket] // ascending; replaced, never changed
	broken  atomic.Pointer[error]    // set once, when the library can take no more writes
}

// Open opens or creates the store in dir. It fails if another process has it open.
func Open(s pipeline.Settings, dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("cannot open the trace store: %w", err)
	}
	hurt, err := mendLogs(o.fs, dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the trace store in %s: %w", dir, err)
	}
	if hurt != (damage{}) {
		s.Log.Warn("the write-ahead log of traces ends in an incomplete record, or has corrupt ones; they are skipped",
			"bytes_cut", hurt.torn, "corrupt_records", hurt.corrupt)
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
	if hurt != (damage{}) {
		if err := st.rebuildBuckets(); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot open the trace store in %s: %w", dir, err), db.Close())
		}
	}
	st.metrics.register(st, hurt)
	st.chores.Go(st.keepRetention)
	return st, nil
}

// load checks the format and reads the stored hours.
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

// Close waits for appends and queries, flushes, and releases the folder.
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

// closedError is fs.ErrClosed to errors.Is.
type closedError string

func (e closedError) Error() string        { return string(e) }
func (e closedError) Is(target error) bool { return target == fs.ErrClosed }

const (
	errClosing = closedError("the trace store is closing")
	errClosed  = closedError("the trace store is closed")
)

// Begin admits a query, waiting for one of MaxQueries slots. ctx ends with the parent and with the store; call end
// when done.
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

// enter keeps the store open until leave.
func (s *Store) enter() error {
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return errClosed
	}
	return nil
}

func (s *Store) leave() { s.life.RUnlock() }

// Ready returns why writes fail.
func (s *Store) Ready() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Folders must exist while the store is open.
func (s *Store) Folders() []string { return []string{s.dir} }

// DiskBytes includes the write-ahead log, which keeps up to three memtables' worth, but no tables that are being
// deleted, so that DropOldest shows at once.
func (s *Store) DiskBytes() int64 {
	if s.enter() != nil {
		return 0
	}
	defer s.leave()
	m := s.db.Metrics()
	return int64(m.WAL.PhysicalSize + m.WAL.ObsoletePhysicalSize + m.Table.Local.LiveSize + m.BlobFiles.Local.LiveSize)
}

// now is in Unix ns.
func (s *Store) now() uint64 { return uint64(s.options.Now().UnixNano()) }

// engineLog logs pebble's messages; its info is debug to us.
type engineLog struct{ log *slog.Logger }

func (l engineLog) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug(fmt.Sprintf(format, args...))
	}
}

func (l engineLog) Errorf(format string, args ...any) {
	l.log.Error("trace store: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return. A panic lets applyLocked turn a failed write into a refusal. In pebble's goroutines it ends
// the process: the list of files cannot be written there, and acknowledged spans are in the log.
func (l engineLog) Fatalf(format string, args ...any) {
	panic("trace store: " + fmt.Sprintf(format, args...))
}

func unixNano(ns uint64) time.Time { return time.Unix(0, int64(ns)) }
