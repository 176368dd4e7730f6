// Package metrics is the embedded metric store: Prometheus' TSDB, PromQL engine and rule manager behind an Append of
// OTLP requests.
//
// Acknowledged samples are in the write-ahead log and survive SIGKILL. Samples that the TSDB would refuse or silently
// drop are counted as data points with a reason; the rest are stored. Known series are found through wire/prom's
// cache, without labels, hashing or allocation.
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
	// lateWindow is how far a sample may be behind the newest in the store.
	lateWindow = 30 * time.Minute
	// aheadLimit is how far in the future a sample may be; one from next year would make all others too old.
	aheadLimit = 10 * time.Minute
	// blockRange is the range of the youngest block; the head holds up to 1.5 times that.
	blockRange = 2 * time.Hour
	// reloadEvery is how often the TSDB looks for blocks to delete.
	reloadEvery = 10 * time.Second
)

// Sizes for a laptop; the library's defaults are for servers.
const (
	walSegmentBytes   = 32 << 20 // default 128 MiB; truncation drops whole segments
	chunkFileBytes    = 64 << 20 // default 512 MiB, preallocated when a block is written
	headWriteBuffer   = 512 << 10
	headStripes       = 2048 // 16,384 locks and two maps each
	maxBlockRetention = 10   // a block covers at most 1/10 of the retention, so that deleting one loses little
)

// Store is an open metric store.
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

	// turn serializes appends. It guards the cache and the samples that a batch is checked against until its commit.
	turn   chan struct{}
	closed bool // under turn
	writer *writer
}

// Open opens or creates the store in dir and replays the write-ahead log.
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

// Close stops the rules, waits for the append and closes the files. Without it nothing is lost.
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

// Folders must exist while the store is open.
func (s *Store) Folders() []string { return []string{s.dir, filepath.Join(s.dir, "wal")} }

// Ready always returns nil.
func (s *Store) Ready() error { return nil }

// DiskBytes is the size of all files.
func (s *Store) DiskBytes() int64 {
	var n int64
	// Files may vanish during the walk.
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

// Oldest is the time of the oldest sample.
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
