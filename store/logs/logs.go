// Package logs stores log records in VictoriaLogs' storage library and answers LogQL.
//
// # Writes
//
// [Store.Append] makes a row of each record (package rows) and writes the request to a write-ahead log (package wal)
// before it returns, because the library keeps rows in memory for seconds. A checkpoint regularly flushes the library
// and deletes the log; a start replays what is left.
//
// Replay does not duplicate rows, although the library also flushes on its own. Rows are added in chunks with unique
// numbers, stored in the field _sluice_seq. The library keeps the rows of one call and day together in one part, and
// writes whole parts. So after a crash, the rows of a chunk and day are all on disk or none, and a query for the
// numbers tells which. Replay cuts a request into the same chunks, because the cut depends only on its bytes, and
// adds the missing ones. A crash during replay only repeats it.
//
// A checkpoint blocks appends and repeats the library's snapshot call until no row is in memory: a snapshot skips
// parts that are being merged. The stream index has the same gap but no such counter, so a crash right after a
// checkpoint may leave rows with an unregistered stream. Each start registers them again (heal.go).
//
// # Reads
//
// [Store.Begin] admits queries; package search answers them.
package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/rows"
	"github.com/sluiceio/sluice/store/logs/search"
	"github.com/sluiceio/sluice/store/logs/wal"
	"github.com/sluiceio/sluice/store/rejects"
)

// Store is a log store in its own folder.
type Store struct {
	settings pipeline.Settings
	options  Options
	log      *slog.Logger
	metrics  *ownMetrics
	dir      string
	names    *rows.Names
	teller   rejects.Teller
	removed  atomic.Int64 // end of the days removed for space, ns
	orphaned atomic.Bool  // see orphan.go
	engine   engine.Engine

	// Searcher may be used between Begin and end.
	*search.Searcher

	// gate is read-locked by appends, and locked to keep the library and the log consistent.
	gate     sync.RWMutex
	closed   bool
	wal      *wal.Log
	encoders sync.Pool
	aside    []asideDay // oldest first; guarded by gate

	// reads is read-locked by queries and locked to remove days. Take it before gate.
	reads   sync.RWMutex
	running context.Context // ends with the store
	cancel  context.CancelCauseFunc
	slots   chan struct{} // one for each query that runs

	mu      sync.Mutex
	dirty   map[int64]bool // days with rows since the last checkpoint
	flushed time.Time      // when rows were last made visible to queries
	unseen  atomic.Bool    // rows came since

	due  chan struct{} // asks for a checkpoint
	done sync.WaitGroup
}

// Open opens or creates the store in dir and replays the write-ahead log. The library has global settings: only one
// store may be open in a process.
func Open(s pipeline.Settings, dir string, o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	st := &Store{
		settings: s, options: o, log: s.Log, dir: dir,
		slots: make(chan struct{}, o.MaxQueries),
		dirty: map[int64]bool{}, due: make(chan struct{}, 1),
	}
	st.teller = rejects.Teller{Log: s.Log, What: "log records", Words: map[pipeline.Reason]string{
		pipeline.DropTooOld:   "are older than what is kept (retention, max_disk)",
		pipeline.DropTooNew:   fmt.Sprintf("are more than %s ahead of this machine's clock", rows.FutureLimit),
		pipeline.DropTooLarge: "are larger than 2 MiB with their attributes",
	}}
	if err := st.readRemoved(); err != nil {
		return nil, err
	}
	st.encoders.New = func() any { return st.newEncoder() }
	st.running, st.cancel = context.WithCancelCause(context.Background())
	var err error
	if st.names, err = rows.OpenNames(filepath.Join(dir, "names")); err != nil {
		return nil, err
	}
	if err = st.adopt(); err != nil {
		return nil, err
	}
	if err = st.setAside(); err != nil {
		return nil, err
	}
	st.noteAside()
	if st.engine, err = engine.Open(filepath.Join(dir, "data"), o.Retention, o.MemoryBytes); err != nil {
		return nil, err
	}
	st.Searcher = search.New(st.engine, st.names, search.Limits{Series: o.MaxSeries, ResultBytes: o.MaxResultBytes})
	st.metrics = newOwnMetrics(st)
	err = st.restore()
	if err == nil {
		err = st.metrics.register(s.Metrics)
	}
	if err != nil {
		st.metrics.unregister(s.Metrics)
		st.engine.MustClose()
		return nil, fmt.Errorf("cannot open the log store: %w", err)
	}
	st.done.Add(1)
	go st.maintain()
	return st, nil
}

// Close ends queries, flushes everything and releases the folder.
func (s *Store) Close() error {
	s.cancel(errClosed)
	s.done.Wait()
	s.reads.Lock()
	defer s.reads.Unlock()
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.metrics.unregister(s.settings.Metrics)
	s.engine.MustClose() // writes out every row
	if err := errors.Join(s.wal.Restart(), s.wal.Close()); err != nil {
		return fmt.Errorf("cannot close the log store: %w", err)
	}
	return nil
}

// maintain syncs the write-ahead log each second, makes checkpoints and removes old data.
func (s *Store) maintain() {
	defer s.done.Done()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, swept := time.Now(), time.Now()
	for {
		due := false
		select {
		case <-s.running.Done():
			return
		case <-s.due:
			due = true
		case <-tick.C:
			s.report("sync the write-ahead log", s.wal.Sync())
			due = time.Since(last) >= s.options.CheckpointEvery
		}
		if due {
			s.report("make a checkpoint", s.checkpoint())
			last = time.Now()
		}
		if time.Since(swept) >= time.Minute {
			s.sweep()
			swept = time.Now()
		}
	}
}

// sweep forgets the field names of removed days and enforces MaxBytes.
func (s *Store) sweep() {
	for expired := time.Now().Add(-s.options.Retention); ; {
		end, err := s.dropAside(expired)
		s.report("remove what is older than the retention", err)
		if end.IsZero() {
			break
		}
	}
	s.names.Forget(rows.DayOf(time.Now().Add(-s.options.Retention - engine.RetentionSlack).UnixNano()))
	for s.options.MaxBytes > 0 && s.DiskBytes() > s.options.MaxBytes {
		through, err := s.DropOldest(s.running)
		s.report("remove the oldest day", err)
		if err != nil || through.IsZero() {
			return
		}
		s.log.Info("removed the oldest logs to stay within their size limit", "through", through)
	}
}

func (s *Store) report(what string, err error) {
	if err != nil {
		s.log.Error("cannot "+what, "error", err)
	}
}
