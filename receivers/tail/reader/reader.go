// Package reader reads files: their bytes in blocks, their lines as records, the records as requests that are offered to
// the pipeline until each is taken.
//
// file.go is what is known of one file; read.go decides when to look at it and whether its content is still the same,
// fill.go brings its bytes into a batch, send.go hands the batch over, progress.go is the window of batches on their way
// and how far everything is acknowledged.
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
	"github.com/sluiceio/sluice/receivers/tail/record"
)

// Config is what a user sets.
type Config struct {
	Format           string // record.FormatAuto, FormatPlain or FormatCRI
	PollInterval     time.Duration
	MaxLineBytes     int
	MaxBatchBytes    int
	MaxInFlight      int // requests of one file
	MaxInFlightBytes int64
	MaxOpenFiles     int
	Origin           record.Origin
}

// Settings is what code is given.
type Settings struct {
	Pipeline   pipeline.Settings
	Next       pipeline.Sink
	Metrics    Metrics
	Unreadable func(path string, err error) // is told of a file that cannot be read
	Changed    func()                       // is told that a file's Entry is another one

	// Rewritten is told that a file's content became another one. It calls part, which parts the file from its former
	// content and answers that. The file is read on when it is started again. nil: the former content is lost, and the
	// file is read on at once.
	Rewritten func(now *File, part func() *File)
}

// Metrics are counted while reading.
type Metrics struct {
	Lines, Bytes, Truncated, Repaired, Malformed, NULs prometheus.Counter
	Refused                                            prometheus.Counter     // requests
	Compressed, Unwatched                              prometheus.Counter     // files
	Lost                                               *prometheus.CounterVec // bytes, by reason
}

// Reader reads files, each open one in a goroutine of its own (at most MaxOpenFiles), with one more for each
// outstanding request (at most MaxInFlight a file).
type Reader struct {
	cfg        Config
	settings   pipeline.Settings
	metrics    Metrics
	unreadable func(path string, err error)
	changed    func()
	rewritten  func(now *File, part func() *File)
	offers     *source.Submitter

	lineMax      int       // a physical line that is longer is overlong: body and header
	blocks       sync.Pool // []byte to read through
	small, large *record.Pool
	memory       *semaphore.Weighted
	attributes   *record.Attributes

	parked  parked
	open    atomic.Int64 // files, the parked ones among them
	known   atomic.Int64 // files, see Pace
	crowded atomic.Bool  // files wait for one of MaxOpenFiles, see Pace

	readingCtx  context.Context // ends at StopReading: nothing new is read
	stopReading context.CancelFunc
	sendingCtx  context.Context // ends with Drain's own context: outstanding calls are given up
	stopSending context.CancelFunc
	heldCtx     context.Context // the same for files that are there and can be read again; ends when nothing is answered
	stopHeld    context.CancelFunc
	answers     atomic.Int64
	readers     sync.WaitGroup
	sends       sync.WaitGroup
}

const (
	// blockSize is how much is read at once: large against the cost of a system call, small against the second level
	// cache, in which it is walked three times (newline, UTF-8, copy).
	blockSize = 128 << 10
	// lookRate and restMax bound how many files at rest are looked at in a second, and how long one may wait.
	lookRate = 4000
	restMax  = 5 * time.Second
)

// New makes a reader; it touches no file before Start.
func New(cfg Config, s Settings) *Reader {
	r := &Reader{
		cfg: cfg, settings: s.Pipeline, metrics: s.Metrics, unreadable: s.Unreadable, changed: s.Changed, rewritten: s.Rewritten,
		offers:     source.NewSubmitter(s.Pipeline, s.Next, s.Metrics.Refused),
		lineMax:    cfg.MaxLineBytes + record.CRIHeaderMax,
		small:      record.NewPool(smallBatch),
		large:      record.NewPool(cfg.MaxBatchBytes),
		memory:     semaphore.NewWeighted(cfg.MaxInFlightBytes),
		attributes: record.NewAttributes(),
	}
	size := max(blockSize, r.lineMax+1)
	r.blocks.New = func() any { return make([]byte, size) }
	r.readingCtx, r.stopReading = context.WithCancel(context.Background())
	r.sendingCtx, r.stopSending = context.WithCancel(context.Background())
	r.heldCtx, r.stopHeld = context.WithCancel(r.sendingCtx)
	return r
}

// Start reads a file that nobody reads yet, in a goroutine of its own, until it is at rest for a while, finished or gone.
// h is the open file, which is the reader's from now on, or nil: then it is opened by its name, unless it is open still. It
// answers false when MaxOpenFiles are being read, or nothing is read any more.
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

// OpenFiles is how many files are open.
func (r *Reader) OpenFiles() int64 { return r.open.Load() }

// Pace says how many files are known, and whether some wait for one of MaxOpenFiles.
func (r *Reader) Pace(known int, waiting bool) {
	r.known.Store(int64(known))
	r.crowded.Store(waiting)
}

// Rest is how long a file at rest goes without a look: no longer than PollInterval while there are few files, and
// as long as it takes to look at lookRate files a second, which is about a hundredth of a core, when there are many.
func (r *Reader) Rest() time.Duration {
	return max(r.cfg.PollInterval, min(restMax, time.Duration(r.known.Load())*time.Second/lookRate))
}

// StopReading ends all reading, and waits for nothing.
func (r *Reader) StopReading() { r.stopReading() }

// drainWait is how long Drain waits for the next answer: the file is the queue, and what a destination that is slow or
// dead has not taken is sent again after the restart.
const drainWait = time.Second

// Drain waits until nothing is read any more and for what is outstanding: as long as answers come, as long as ctx lasts
// for deleted files, whose records cannot be read again. It never takes longer than ctx lasts. StopReading comes before
// it, and no Start after it. What is not acknowledged then is not in the files' entries, and read again.
func (r *Reader) Drain(ctx context.Context) {
	defer r.stopSending()
	if !WaitFor(ctx, &r.readers) {
		return // a file system that hangs
	}
	r.parked.all(func(f *File, h *os.File) {
		r.leave(f, h)
		r.open.Add(-1)
	})
	defer context.AfterFunc(ctx, r.stopSending)()
	done := make(chan struct{})
	go func() {
		r.sends.Wait()
		close(done)
	}()
	tick := time.NewTicker(drainWait)
	defer tick.Stop()
	for answers := r.answers.Load(); ; {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		now := r.answers.Load()
		if now == answers {
			r.stopHeld()
		}
		answers = now
	}
}

// Lose counts records that nobody can read any more.
func (r *Reader) Lose(why pipeline.Reason, records int, bytes int64) {
	r.settings.Drop(why, pipeline.Logs, records, int(bytes))
	r.metrics.Lost.WithLabelValues(string(why)).Add(float64(bytes))
}

// LoseOutstanding counts the records of a deleted file that were read and not taken. Nobody can read them again.
func (r *Reader) LoseOutstanding(f *File) {
	if _, records := f.window().outstanding(); records > 0 && f.Deleted() {
		r.Lose(pipeline.DropRotatedUnread, records, 0)
	}
}

// count books what happened to lines.
func (m *Metrics) count(c record.Counts) {
	m.Lines.Add(float64(c.Lines))
	m.Truncated.Add(float64(c.Truncated))
	m.Repaired.Add(float64(c.Repaired))
	m.Malformed.Add(float64(c.Malformed))
	m.NULs.Add(float64(c.NULs))
}
