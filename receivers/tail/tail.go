// Package tail is the receiver that follows log files: plain text and Kubernetes container logs, through rotation,
// truncation and restarts, into OTLP log records.
//
// A record's way: scan.go finds its file, read.go decides when to look at it, fill.go brings its bytes into memory,
// lines.go makes it a record at the end of an export request (batch.go, envelope.go), send.go hands the request
// over and repeats it until it is taken, progress.go moves the checkpoint over it, keep.go writes that down.
package tail

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/sluiceio/sluice/pipeline"
)

// Component describes the receiver to the engine.
func Component() pipeline.Component {
	return pipeline.Receiver("tail", Default, func(s pipeline.Settings, c *Config, out pipeline.Outputs) (any, error) {
		return New(s, c, out)
	}, pipeline.Logs).WithDoc("Log files: plain and Kubernetes container logs, with rotation, checkpoint after delivery")
}

// Receiver follows files. It has one scanner, one goroutine for the checkpoint, one for each open file (at most
// max_open_files) and one for each outstanding request (at most max_in_flight a file).
type Receiver struct {
	settings pipeline.Settings
	cfg      *Config
	next     pipeline.Sink
	metrics  *metrics
	offers   *pipeline.Offerer
	origin   origin

	lineMax      int       // a physical line that is longer is overlong: body and header
	buffers      sync.Pool // []byte to read through
	small, large batchPool
	memory       *semaphore.Weighted
	attributes   *attributeSets

	scan     scanner
	keep     keeper
	troubles troubles
	mu       sync.Mutex // over files, which only the scanner changes
	files    map[fileKey]*file

	open    atomic.Int64 // files
	known   atomic.Int64 // files, at the scanner's last look
	crowded atomic.Bool  // files wait for one of max_open_files
	dirty   atomic.Bool  // the checkpoint on disk is behind

	readingCtx  context.Context // ends at Stop: nothing new is read
	stopReading context.CancelFunc
	sendingCtx  context.Context // ends with Stop's own context: outstanding calls are given up
	stopSending context.CancelFunc
	loops       sync.WaitGroup // scanner and keeper
	readers     sync.WaitGroup
	sends       sync.WaitGroup
}

// New makes a receiver; it touches no file before Start.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (*Receiver, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot learn the host's name: %w", err)
	}
	r := &Receiver{
		settings: s, cfg: cfg, next: out.For(pipeline.Logs),
		origin:     origin{host: host, service: cfg.ServiceName, attributes: cfg.Attributes, version: s.Version},
		lineMax:    cfg.MaxLineBytes + criHeaderMax,
		small:      batchPool{size: smallBatch},
		large:      batchPool{size: cfg.MaxBatchBytes},
		memory:     semaphore.NewWeighted(cfg.MaxInFlightBytes),
		attributes: newAttributeSets(),
		files:      map[fileKey]*file{},
	}
	size := max(readSize, r.lineMax+1)
	r.buffers.New = func() any { return make([]byte, size) }
	r.readingCtx, r.stopReading = context.WithCancel(context.Background())
	r.sendingCtx, r.stopSending = context.WithCancel(context.Background())
	if err := r.scan.init(r); err != nil {
		return nil, err
	}
	r.keep.init(r)
	r.metrics = newMetrics(r)
	r.offers = pipeline.NewOfferer(s, r.next, r.metrics.refusals)
	return r, nil
}

// readSize is how much is read at once: large against the cost of a system call, small against the second level
// cache, in which it is walked three times (newline, UTF-8, copy).
const readSize = 128 << 10

// Start loads the checkpoint and begins to follow. A checkpoint that cannot be read stops nothing; one that another
// process writes does.
func (r *Receiver) Start(context.Context) error {
	if r.next == nil {
		return nil
	}
	if err := r.keep.own(); err != nil {
		return err
	}
	r.keep.load()
	r.loops.Go(func() {
		r.scan.list(time.Now())
		// At once: from here on a restart can tell what it has seen from what came later.
		r.keep.save(time.Now())
		r.loops.Go(r.keep.run)
		r.scan.run()
	})
	return nil
}

// Stop ends reading at once and waits, as long as ctx lasts, for what is outstanding. What is not acknowledged then
// is read again at the next start; records of deleted files, which cannot be, are counted.
func (r *Receiver) Stop(ctx context.Context) error {
	r.stopReading()
	r.loops.Wait()
	r.readers.Wait()
	sent := make(chan struct{})
	go func() {
		r.sends.Wait()
		close(sent)
	}()
	select {
	case <-sent:
	case <-ctx.Done():
	}
	r.stopSending()
	<-sent
	for _, f := range r.snapshot() {
		if _, records := f.outstanding(); records > 0 && f.deleted.Load() {
			r.lose(pipeline.DropRotatedUnread, records, 0)
		}
	}
	r.keep.save(time.Now())
	r.keep.disown()
	return nil
}

// snapshot is the files at this moment.
func (r *Receiver) snapshot() []*file {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*file, 0, len(r.files))
	for _, f := range r.files {
		list = append(list, f)
	}
	return list
}

// census counts files and what is unread in them.
func (r *Receiver) census() (files int, unread int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.files {
		unread += f.unread.Load()
	}
	return len(r.files), unread
}
