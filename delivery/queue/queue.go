// Package queue is the durable queue of one exporter: batches on disk, in lanes by signal, tenant and route, until the
// destination has answered. Put returns nil only after fsync.
//
// queue.go opens it and says what is in it, put.go stores, take.go hands out, letters.go keeps what was rejected.
package queue

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

// Options say where a queue is and what bounds it.
type Options struct {
	Dir        string
	Compressor *payload.Compressor // of record bodies
	Pool       *buffer.Pool
	Consumers  int // at most so many records of a lane are handed out at once

	Size      int    // when so much is stored, the queue is full; counted by Sizer
	Sizer     string // requests (records), items or bytes (on disk)
	OnFull    OnFull
	MaxAge    time.Duration // older records are dropped as queue_age; 0 for none
	MinFree   int64         // of the disk, in bytes
	NoSync    bool
	MaxRecord int   // callers are gathered into a record up to so many bytes of OTLP
	Letters   int64 // bytes of dead letters that are kept; 0 for none

	Books pipeline.Books
	Log   *slog.Logger
	FS    spool.FS // nil: the operating system's

	SegmentBytes int64 // of a file; 0: the default of spool
}

// OnFull is what a full queue does with a batch.
type OnFull string

// The policies of a full queue.
const (
	Refuse     OnFull = "refuse"
	Block      OnFull = "block" // the caller waits, until its deadline
	DropOldest OnFull = "drop_oldest"
	DropNewest OnFull = "drop_newest"
)

const (
	maxLanes  = 1000
	tickEvery = time.Second
)

// A Queue is open between Open and Close. All methods may be called by several goroutines.
type Queue struct {
	o       Options
	letters *spool.Log
	full    throttle.Line
	stop    chan struct{}
	running sync.WaitGroup
	shut    atomic.Bool // see CloseIntake

	mu     sync.Mutex
	cond   *sync.Cond // something may be taken, or there is room
	lanes  map[string]*lane
	order  []*lane
	turn   int
	closed bool
}

// A lane is what has one signal, tenant and route.
type lane struct {
	q      *Queue
	name   string // of its folder
	signal pipeline.Signal
	log    *spool.Log
	reader *spool.Reader

	commit chan struct{} // held by the one who writes a record
	mu     sync.Mutex
	open   *gather

	schedule // guarded by Queue.mu
	damaged  uint64
}

// Open opens the queue in o.Dir, or makes it. What is in it is booked as restored.
func Open(o Options) (*Queue, error) {
	q := &Queue{o: o, lanes: map[string]*lane{}, stop: make(chan struct{})}
	q.cond = sync.NewCond(&q.mu)
	if q.o.FS == nil {
		q.o.FS = spool.OS{}
	}
	if err := q.o.FS.Mkdir(o.Dir); err != nil {
		return nil, fmt.Errorf("cannot make the queue's folder: %w", err)
	}
	entries, err := q.o.FS.ReadDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the queue's folder: %w", err)
	}
	for _, e := range entries {
		sig, ok := signalOf(e.Name)
		if !ok || !e.Dir {
			continue
		}
		if _, err := q.openLane(e.Name, sig); err != nil {
			return nil, errors.Join(err, q.Close())
		}
	}
	if o.Letters > 0 {
		if q.letters, err = spool.Open(spool.Options{Dir: filepath.Join(o.Dir, lettersDir), MaxBytes: o.Letters, NoSync: o.NoSync, FS: q.o.FS, Log: o.Log}); err != nil {
			return nil, errors.Join(err, q.Close())
		}
	}
	q.restored()
	q.running.Go(q.tick)
	return q, nil
}

// restored books what is stored at the start, with what Open found damaged: bookDamage takes that out again.
func (q *Queue) restored() {
	var items [len(pipeline.Signals) + 1]int64
	for _, l := range q.order {
		t := l.log.Stats()
		items[l.signal] += int64(t.AtOpen.Count + t.Damaged.Count)
	}
	for _, sig := range pipeline.Signals {
		q.o.Books.Restored(sig, items[sig])
	}
}

// laneName is the folder of a lane. Nothing of a tenant's or route's text is in it: they come from outside.
func laneName(sig pipeline.Signal, o pipeline.Origin) string {
	if o.Tenant == "" && o.Route == "" {
		return sig.String()
	}
	sum := sha256.Sum256([]byte(o.Tenant + "\x00" + o.Route))
	return sig.String() + "-" + hex.EncodeToString(sum[:12])
}

func signalOf(name string) (pipeline.Signal, bool) {
	text, _, _ := strings.Cut(name, "-")
	for _, sig := range pipeline.Signals {
		if sig.String() == text {
			return sig, true
		}
	}
	return 0, false
}

// lane finds or opens the lane of a batch.
func (q *Queue) lane(sig pipeline.Signal, o pipeline.Origin) (*lane, error) {
	name := laneName(sig, o)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, spool.ErrClosed
	}
	if l := q.lanes[name]; l != nil {
		return l, nil
	}
	if len(q.order) >= maxLanes {
		return nil, fmt.Errorf("the queue has %d lanes for tenants and routes, and takes no more", maxLanes)
	}
	return q.openLaneLocked(name, sig)
}

func (q *Queue) openLane(name string, sig pipeline.Signal) (*lane, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.openLaneLocked(name, sig)
}

func (q *Queue) openLaneLocked(name string, sig pipeline.Signal) (*lane, error) {
	log, err := spool.Open(spool.Options{
		Dir: filepath.Join(q.o.Dir, name), SegmentBytes: q.o.SegmentBytes, MaxAge: q.o.MaxAge, MinFree: q.o.MinFree, NoSync: q.o.NoSync, FS: q.o.FS,
		Log: q.o.Log.With("lane", name),
	})
	if err != nil {
		return nil, err
	}
	l := &lane{q: q, name: name, signal: sig, log: log, reader: log.NewReader(0, 0), commit: make(chan struct{}, 1)}
	l.schedule.init(q.o.Consumers)
	q.lanes[name] = l
	q.order = append(q.order, l)
	q.running.Go(l.fetch)
	return l, nil
}

// tick drops what is too old, and books what was damaged.
func (q *Queue) tick() {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			for _, l := range q.all() {
				if q.o.MaxAge > 0 {
					l.lost(pipeline.DropQueueAge, l.log.DropOlder(time.Now().Add(-q.o.MaxAge)))
				}
				l.bookDamage()
			}
			q.wakeAll()
		case <-q.stop:
			return
		}
	}
}

// bookDamage books the items that the log could not read any more.
func (l *lane) bookDamage() {
	l.q.mu.Lock()
	n := l.log.Stats().Damaged.Count
	gone := n - min(l.damaged, n)
	l.damaged = n
	l.q.mu.Unlock()
	l.lost(pipeline.DropCorrupt, spool.Totals{Count: gone})
}

// lost books what leaves the queue without having been delivered.
func (l *lane) lost(why pipeline.Reason, t spool.Totals) {
	if t.Count > 0 {
		l.q.o.Books.Lost(why, l.signal, int(t.Count), int(t.Bytes))
		l.q.o.Books.Unstored(l.signal, int(t.Count))
	}
}

func (q *Queue) all() []*lane {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]*lane(nil), q.order...)
}

func (q *Queue) wakeAll() {
	q.mu.Lock()
	q.cond.Broadcast()
	q.mu.Unlock()
}

// Close makes durable what is stored, saves the cursors and gives the folder back. What is handed out stays stored.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	q.cond.Broadcast()
	q.mu.Unlock()
	close(q.stop)
	var errs []error
	for _, l := range q.all() {
		errs = append(errs, l.log.Close())
		l.bookDamage()
	}
	q.running.Wait()
	for _, l := range q.all() {
		l.reader.Close()
		if l.ready != nil {
			l.ready.buf.Release()
		}
	}
	if q.letters != nil {
		errs = append(errs, q.letters.Close())
	}
	return errors.Join(errs...)
}

// Status is what a queue holds.
type Status struct {
	Records, Items, Bytes int64     // unsettled
	Disk                  int64     // bytes of its files
	Oldest                time.Time // when the oldest was stored; zero when it is empty
	Letters               int64     // dead letters, records
	LetterBytes           int64
	Damaged               int64 // records lost to damage since the start, also those whose number of items nobody knows
	Lanes                 int
	Blocked               int // lanes that wait after a refusal
	LastError             error
	NoSync                bool
}

// Status adds up the lanes.
func (q *Queue) Status() Status {
	s := Status{NoSync: q.o.NoSync}
	now := time.Now()
	for _, l := range q.all() {
		t := l.log.Stats()
		s.Records += int64(t.Unsettled.Records)
		s.Items += int64(t.Unsettled.Count)
		s.Bytes += int64(t.Unsettled.Bytes)
		s.Disk += int64(t.Stored)
		s.Damaged += int64(t.Damaged.Records)
		if !t.Oldest.IsZero() && (s.Oldest.IsZero() || t.Oldest.Before(s.Oldest)) {
			s.Oldest = t.Oldest
		}
		if t.LastError != nil {
			s.LastError = t.LastError
		}
		s.Lanes++
		q.mu.Lock()
		if now.Before(l.until) {
			s.Blocked++
		}
		q.mu.Unlock()
	}
	if q.letters != nil {
		t := q.letters.Stats().Unsettled
		s.Letters, s.LetterBytes = int64(t.Records), int64(t.Bytes)
	}
	return s
}
