// Package reader reads files, turns lines into records and sends them until each is accepted.
//
// file.go is the state of a file, read.go decides when to read and checks that the content is unchanged, fill.go fills a
// batch, gather.go joins those of slow files, send.go sends them, progress.go tracks acknowledgement.
package reader

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/source"
	"github.com/sluiceio/sluice/receivers/tail/multiline"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

// Config is what a user sets.
type Config struct {
	Format           string // one of record's constants
	PollInterval     time.Duration
	MaxLineBytes     int
	MaxBatchBytes    int
	Detect           int // what is looked for in lines; see package detect
	MaxInFlight      int // per file
	MaxInFlightBytes int64
	MaxOpenFiles     int
	Linger           time.Duration // how long lines wait for those of other files; 0: not at all
	Origin           record.Origin
	Multiline        func(path, as string) *multiline.Rule // by which a file's lines are joined; may be nil

	SaveDir   string // for the rest of deleted files; empty: nowhere
	SaveBytes int64
}

// Settings is what code is given.
type Settings struct {
	Pipeline   pipeline.Settings
	Next       pipeline.Sink
	Metrics    Metrics
	Unreadable func(path string, err error) // called for a file that cannot be read
	Changed    func()                       // called when a file's Entry changed

	// Rewritten is called when a file's content was replaced. Its argument part splits off the former content; reading
	// continues after the next Start. nil: the former content is lost, and reading continues at once.
	Rewritten func(now *File, part func() *File)
}

// Metrics are counted while reading.
type Metrics struct {
	Lines, Bytes, Truncated, Repaired, Malformed, NULs prometheus.Counter
	Refused                                            prometheus.Counter     // requests
	Compressed, Unwatched                              prometheus.Counter     // files
	Lost                                               *prometheus.CounterVec // bytes, by reason
}

// Reader reads files. It runs one goroutine per file being read (at most MaxOpenFiles) and one per outstanding request.
type Reader struct {
	cfg        Config
	settings   pipeline.Settings
	metrics    Metrics
	unreadable func(path string, err error)
	changed    func()
	rewritten  func(now *File, part func() *File)
	offers     *source.Submitter
	gather     *gather

	blocks       sync.Pool // []byte read buffers
	small, large *record.Pool
	memory       *semaphore.Weighted
	attributes   *record.Attributes

	parked  parked
	saved   atomic.Int64 // bytes in SaveDir
	open    atomic.Int64 // files, including parked ones
	known   atomic.Int64 // files, see Pace
	crowded atomic.Bool  // files wait for a slot, see Pace

	readingCtx  context.Context // canceled by StopReading
	stopReading context.CancelFunc
	sendingCtx  context.Context // canceled by Drain: gives up outstanding calls
	stopSending context.CancelFunc
	answers     atomic.Int64
	readers     sync.WaitGroup
	sends       sync.WaitGroup
}

const (
	// blockSize is large compared with a system call, but fits the second-level cache: a block is scanned three times
	// (newline, UTF-8, copy).
	blockSize = 128 << 10
	// lookRate limits the looks at idle files per second, restMax the time between two.
	lookRate = 4000
	restMax  = 5 * time.Second
)

// New makes a reader; it opens no file before Start.
func New(cfg Config, s Settings) *Reader {
	r := &Reader{
		cfg: cfg, settings: s.Pipeline, metrics: s.Metrics, unreadable: s.Unreadable, changed: s.Changed, rewritten: s.Rewritten,
		offers:     source.NewSubmitter(s.Pipeline, s.Next, s.Metrics.Refused),
		small:      record.NewPool(smallBatch),
		large:      record.NewPool(cfg.MaxBatchBytes),
		memory:     semaphore.NewWeighted(cfg.MaxInFlightBytes),
		attributes: record.NewAttributes(),
	}
	r.gather = newGather(r)
	size := max(blockSize, record.LongestLine(cfg.MaxLineBytes)+1)
	r.blocks.New = func() any { return make([]byte, size) }
	r.readingCtx, r.stopReading = context.WithCancel(context.Background())
	r.sendingCtx, r.stopSending = context.WithCancel(context.Background())
	return r
}

// Start reads a file in a new goroutine until it is idle, finished or gone. Nobody may be reading it. It takes ownership of
// h; if nil, the file is unparked or opened by name. It returns false if MaxOpenFiles are in use or reading has stopped.
func (r *Reader) Start(f *File, h *os.File) (started bool) {
	if r.readingCtx.Err() == nil {
		if h == nil {
			h = r.parked.take(f)
			started = h != nil
		}
		if !started && (r.open.Load() < int64(r.cfg.MaxOpenFiles) || r.evict()) {
			r.open.Add(1)
			started = true
		}
	}
	if !started {
		if h != nil {
			h.Close()
		}
		return false
	}
	f.reading.Store(true)
	r.readers.Add(1)
	go r.read(f, h)
	return true
}

func (r *Reader) evict() bool {
	ok := r.parked.evict()
	if ok {
		r.open.Add(-1)
	}
	return ok
}

// OpenFiles returns the number of open files.
func (r *Reader) OpenFiles() int64 { return r.open.Load() }

// Pace sets the number of known files, and whether some wait for a slot.
func (r *Reader) Pace(known int, waiting bool) {
	r.known.Store(int64(known))
	r.crowded.Store(waiting)
}

// Rest returns the time between two looks at an idle file: PollInterval or, with many files, what keeps the rate at lookRate
// (about 1 % of a core).
func (r *Reader) Rest() time.Duration {
	return max(r.cfg.PollInterval, min(restMax, time.Duration(r.known.Load())*time.Second/lookRate))
}

// Lose counts lost records.
func (r *Reader) Lose(why pipeline.Reason, records int, bytes int64) {
	r.settings.Drop(why, pipeline.Logs, records, int(bytes))
	r.metrics.Lost.WithLabelValues(string(why)).Add(float64(bytes))
}

func (m *Metrics) count(c record.Counts) {
	m.Lines.Add(float64(c.Lines))
	m.Truncated.Add(float64(c.Truncated))
	m.Repaired.Add(float64(c.Repaired))
	m.Malformed.Add(float64(c.Malformed))
	m.NULs.Add(float64(c.NULs))
}
