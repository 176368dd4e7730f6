// Package logs stores log records in VictoriaLogs' storage library and answers LogQL.
//
// # In
//
// [Store.Append] walks the bytes of an OTLP request and makes a row of each record (package rows).
//
// # Safe before nil
//
// The library holds rows in memory for some seconds. So the request is first written to a write-ahead log (package
// wal), and Append answers nil once the kernel has the bytes: they survive a SIGKILL. From time to time a checkpoint
// makes the library write everything to disk and then removes the log; a start finds what is left and replays it.
//
// No row is doubled by that, although the library writes rows out on its own, too, whenever it likes. Rows go to it in
// chunks; every chunk of the log has a number that is never used again, and each row carries the number of its chunk
// (the field _sluice_seq). What the library writes to disk is made of whole pieces: the rows that one call adds to one
// day stay together from its buffer into a part in memory, and only whole parts are merged and written. So after a
// kill, a chunk's rows of one day are on disk either all or not at all, and one query for the numbers in the log tells
// which. The replay cuts the same request into the same chunks, because the cut depends on its bytes alone, and adds
// what is missing. A kill during the replay changes nothing, for the log is still there and is asked again.
//
// A checkpoint holds appends back while the library's own snapshot call writes parts in memory to disk, and repeats it
// until the library says that no row is in memory: a part that is being merged at that moment is passed over by the
// snapshot. The library's index of streams has the same gap and no such figure, so that a kill right after a checkpoint
// may leave rows on disk whose stream is not registered. Every start looks for these and registers the stream again
// (heal.go).
//
// # Out
//
// [Store.Begin] admits a request that reads; what it asks meanwhile is answered by package search.
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

// Store is a log store in a folder of its own.
type Store struct {
	settings pipeline.Settings
	options  Options
	log      *slog.Logger
	metrics  *ownMetrics
	dir      string
	names    *rows.Names
	teller   rejects.Teller
	removed  atomic.Int64 // records before were removed to make room, ns
	orphaned atomic.Bool  // see orphan.go
	engine   engine.Engine

	// Searcher answers between Begin and its end.
	*search.Searcher

	// gate is held for reading by appends, and for writing by whoever needs the library and the log to agree.
	gate     sync.RWMutex
	closed   bool
	wal      *wal.Log
	encoders sync.Pool

	// reads is held for reading by whoever asks the library for rows, and for writing by whoever takes days away from it.
	// It is taken before gate.
	reads   sync.RWMutex
	running context.Context // ends with the store; queries end with it
	cancel  context.CancelCauseFunc
	slots   chan struct{} // one for each query that runs

	mu      sync.Mutex
	dirty   map[int64]bool // days with rows that came after the last checkpoint
	flushed time.Time      // when rows were last made visible to queries
	unseen  atomic.Bool    // rows came after that

	due  chan struct{} // asks for a checkpoint
	done sync.WaitGroup
}

// Open opens the store in dir, which is made if it is not there, and puts in what a killed process left in the
// write-ahead log. The library has settings for the whole process; two stores must not be opened at the same time.
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

// Close ends running queries, writes everything to disk and gives the folder free. Calls that come later fail.
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

// maintain syncs the write-ahead log each second, makes checkpoints when they are due and removes what is too old.
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

// sweep forgets the field names of days that the library has removed, and keeps the size that Options set.
func (s *Store) sweep() {
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
