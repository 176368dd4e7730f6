// Package metrics is the embedded metric store: Prometheus' TSDB, PromQL engine and rule manager behind an append that takes
// OTLP requests.
//
// Append is synchronous up to the write-ahead log, so that what it answered nil for survives SIGKILL. What the TSDB
// would refuse or silently drop is found out sample by sample and counted in data points under a reason; its
// neighbours are kept. Samples find their series through the slots of wire/prom's cache: a known series costs no
// label, no hash and no allocation.
package metrics

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/sluiceio/sluice/pipeline"
)

const (
	// lateWindow is how long before the newest sample of the whole store another may arrive late and be kept.
	lateWindow = 30 * time.Minute
	// aheadLimit is how far in the future a sample may be; clocks differ, but one sample of next year would make
	// every honest one too old.
	aheadLimit = 10 * time.Minute
	// blockRange is the time that the youngest block on disk covers; the head holds up to one and a half of it.
	blockRange = 2 * time.Hour
	// reloadEvery is how often the TSDB looks for blocks to delete, hence how long DropOldest takes at most.
	reloadEvery = 10 * time.Second
)

// Sizes of the TSDB on a laptop; the library's defaults are those of a server.
const (
	walSegmentBytes   = 32 << 20 // 128 MiB: truncation works in whole segments
	chunkFileBytes    = 64 << 20 // 512 MiB, laid out in full when a block is written
	headWriteBuffer   = 512 << 10
	headStripes       = 2048 // 16,384 locks and two maps each
	maxBlockRetention = 10   // a block covers at most this share of the retention, so that deleting it frees little
)

// Store is an open store.
type Store struct {
	settings pipeline.Settings
	options  Options
	dir      string

	db       *tsdb.DB
	parser   parser.Parser
	engine   boundedEngine
	queries  querySlots
	rules    *rules.Manager
	running  sync.WaitGroup // the rule manager
	stopping sync.Once
	families families
	doomed   doomed
	metrics  storeMetrics
	registry *prometheus.Registry // the TSDB's metrics, for status/tsdb

	// turn is held by whoever appends. One at a time: the cache and its slots belong to it, and what a batch conflicts
	// with must not change before the batch is committed.
	turn   chan struct{}
	closed bool // under turn
	writer *writer
}

// Open opens or makes the store in dir. It returns when the write-ahead log has been replayed and queries are
// answered; on an empty folder that takes milliseconds.
func Open(s pipeline.Settings, dir string, o Options) (_ *Store, err error) {
	o.setDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("cannot make the folder of the metric store: %w", err)
	}
	st := &Store{
		settings: s, options: o, dir: dir,
		turn:     make(chan struct{}, 1),
		queries:  newQuerySlots(o.QueryConcurrency, o.QueryTimeout),
		registry: prometheus.NewRegistry(),
		parser:   parser.NewParser(parser.Options{}),
	}
	begin := time.Now()
	db, err := tsdb.Open(dir, s.LibraryLog(), tee{s.Metrics, st.registry}, st.tsdbOptions(), nil)
	if err != nil {
		return nil, fmt.Errorf("cannot open the metric store in %s: %w", dir, err)
	}
	st.doomed.mu.Lock() // the TSDB already asks blocksToDelete
	st.db = db
	st.doomed.mu.Unlock()
	replay := time.Since(begin)
	s.Log.Info("metric store is open", "dir", dir, "series", st.db.Head().NumSeries(), "blocks", len(st.db.Blocks()), "took", replay)

	st.writer = newWriter(st)
	st.metrics.register(st, replay)
	st.engine.defaultStep = o.EvaluationInterval
	st.engine.Engine = promql.NewEngine(promql.EngineOpts{
		Logger: s.LibraryLog(), Reg: s.Metrics, Parser: st.parser,
		MaxSamples: o.QueryMaxSamples, Timeout: o.QueryTimeout,
		ActiveQueryTracker:       st.queries,
		LookbackDelta:            Lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return o.EvaluationInterval.Milliseconds() },
		EnableAtModifier:         true, EnableNegativeOffset: true,
	})
	if err := st.startRules(); err != nil {
		return nil, errors.Join(err, st.engine.Close(), st.db.Close())
	}
	return st, nil
}

// tsdbOptions writes every option out that matters here.
func (s *Store) tsdbOptions() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.RetentionDuration = s.options.Retention.Milliseconds()
	o.MaxBytes = s.options.MaxBytes
	o.MinBlockDuration = blockRange.Milliseconds()
	o.MaxBlockDuration = max(blockRange, min(s.options.Retention/maxBlockRetention, 31*24*time.Hour)).Milliseconds()
	o.WALSegmentSize = walSegmentBytes
	o.WALCompression = compression.Snappy
	o.MaxBlockChunkSegmentSize = chunkFileBytes
	o.HeadChunksWriteBufferSize = headWriteBuffer
	o.StripeSize = headStripes
	o.OutOfOrderTimeWindow = lateWindow.Milliseconds()
	o.EnableExemplarStorage = true
	o.MaxExemplars = s.options.MaxExemplars
	o.FloatChunkEncoding = chunkenc.EncXOR
	o.BlockReloadInterval = reloadEvery
	o.BlocksToDelete = s.blocksToDelete
	return o
}

// Close stops the rules, waits for the append that runs, and closes the files. Nothing is lost without it.
func (s *Store) Close() error {
	s.stopRules()
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(s.engine.Close(), s.db.Close())
}

// Folders are those that have to be there as long as the store is open.
func (s *Store) Folders() []string { return []string{s.dir, filepath.Join(s.dir, "wal")} }

// Ready returns why no samples are taken; there is nothing.
func (s *Store) Ready() error { return nil }

// DiskBytes returns the size of all files of the store.
func (s *Store) DiskBytes() int64 {
	var n int64
	// Files come and go under the walk; what is gone counts nothing.
	_ = filepath.WalkDir(s.dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// Oldest returns the time of the oldest sample, false if there is none.
func (s *Store) Oldest() (time.Time, bool) {
	for _, b := range s.db.Blocks() {
		return timestamp.Time(b.MinTime()), true // blocks are sorted
	}
	head := s.db.Head()
	if head.NumSeries() == 0 || head.MinTime() > head.MaxTime() {
		return time.Time{}, false
	}
	return timestamp.Time(head.MinTime()), true
}
