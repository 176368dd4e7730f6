// Package queue is the durable queue of one exporter: batches on disk, in lanes by signal, tenant and route, until the
// destination has answered. Put returns nil only after fsync.
//
// queue.go opens it and says what is in it, put.go stores, gather.go makes one record of many callers, fetch.go
// reads ahead, take.go hands out, letters.go keeps what was rejected,
// growth.go says when it is full.
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
	Consumers  int  // at most so many records of a lane are handed out at once
	FreshFirst bool // live data goes first, and the backlog has a share; else the oldest goes first

	Size      int    // when so much is stored, the queue is full; counted by Sizer
	Sizer     string // requests (records), items or bytes (on disk)
	OnFull    OnFull
	MaxAge    time.Duration // older records are dropped as queue_age; 0 for none
	MinFree   int64         // of the disk, in bytes
	NoSync    bool
	MaxRecord int // callers are gathered into a record up to so many bytes of OTLP
	Batching  Batching
	Memory    int64 // bytes of records that are handed out, in memory; one is always
	Letters   int64 // bytes of dead letters that are kept; 0 for none

	Books pipeline.Books
	Log   *slog.Logger
	FS    spool.FS // nil: the operating system's

	SegmentBytes int64 // of a file; 0: the default of spool
}

// Batching makes a record wait for more callers, in front of the disk. Without a Timeout it waits only for the fsync of the
// record before.
type Batching struct {
	Timeout  time.Duration // from the first caller on
	Min, Max int           // a record is written at Min; larger batches are cut at Max, 0 for never
	Bytes    bool          // what they count: bytes of OTLP, else items
}

func (b *Batching) size(items, bytes int) int {
	if b.Bytes {
		return bytes
	}
	return items
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
	removed throttle.Line
	stop    chan struct{}
	running sync.WaitGroup
	sum     spool.Sum    // of all lanes
	shut    atomic.Bool  // see CloseIntake
	puts    atomic.Int64 // calls of Put that run

	mu       sync.Mutex
	cond     *sync.Cond // something may be taken, or there is room
	lanes    map[string]*lane
	order    []*lane
	turn     int
	lent     int64 // see Options.Memory
	rests    rests // of the last stop
	hadRests bool  // their file is there
	opened   bool  // else Close leaves that file as it is
	growth   growth
	closed   bool
}

// A lane is what has one signal, tenant and route.
type lane struct {
	q      *Queue
	name   string // of its folder
	signal pipeline.Signal
	log    *spool.Log
	folder identity // zero on a file system of a test

	commit chan struct{} // held by the one who writes a record
	mu     sync.Mutex
	open   *gather

	schedule // guarded by Queue.mu, as what follows
	spans    []span
	ahead    spool.Seq // where fetchLive went on, after the last of spans
	reading  bool      // fetchLate has one that is in spans no more
	came     time.Time // when the last batch was put
	damaged  spool.Totals
	given    spool.Totals // up by an operator, before this start
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
	q.rests = q.loadRests()
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
	q.opened = true
	q.restored()
	for _, l := range q.order {
		l.bookDamage()
		if t := l.given; t.Records > 0 {
			l.lost(pipeline.DropOperator, t)
			o.Log.Warn("`queue drop` gave up records of this queue while no daemon ran; they count as dropped now", "lane", l.name, "records", t.Records, "items", t.Count)
		}
	}
	q.running.Go(q.tick)
	return q, nil
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
	l := q.lanes[name]
	if l == nil {
		if len(q.order) >= maxLanes {
			return nil, fmt.Errorf("the queue has %d lanes for tenants and routes, and takes no more", maxLanes)
		}
		var err error
		if l, err = q.openLaneLocked(name, sig); err != nil {
			return nil, err
		}
	}
	l.came = time.Now()
	return l, nil
}

func (q *Queue) openLane(name string, sig pipeline.Signal) (*lane, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.openLaneLocked(name, sig)
}

func (q *Queue) openLaneLocked(name string, sig pipeline.Signal) (*lane, error) {
	log, err := spool.Open(spool.Options{
		Dir: filepath.Join(q.o.Dir, name), SegmentBytes: q.o.SegmentBytes, MaxAge: q.o.MaxAge, MinFree: q.o.MinFree, NoSync: q.o.NoSync, FS: q.o.FS, Sum: &q.sum,
		Log: q.o.Log.With("lane", name),
	})
	if err != nil {
		return nil, err
	}
	l := &lane{q: q, name: name, signal: sig, log: log, commit: make(chan struct{}, 1)}
	if _, is := q.o.FS.(spool.OS); is {
		l.folder = identify(filepath.Join(q.o.Dir, name))
	}
	l.pace.Set(1, q.o.Consumers)
	q.lanes[name] = l
	q.order = append(q.order, l)
	q.running.Go(l.fetchLive)
	if q.o.FreshFirst {
		q.running.Go(l.fetchLate)
	}
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
			q.measure()
			q.wakeAll()
		case <-q.stop:
			return
		}
	}
}

// bookDamage books the items that the log could not read any more.
func (l *lane) bookDamage() {
	l.q.mu.Lock()
	t := l.log.Stats().Damaged
	gone := spool.Totals{Count: t.Count - min(l.damaged.Count, t.Count), Weight: t.Weight - min(l.damaged.Weight, t.Weight)}
	l.damaged = t
	l.q.mu.Unlock()
	l.lost(pipeline.DropCorrupt, gone)
}

// giveUp books all that is left of a closed lane whose folder was removed or replaced.
func (l *lane) giveUp() {
	for _, i := range append(l.live.back, l.late.back...) { // a part of it may have met its fate
		l.lost(pipeline.DropCorrupt, spool.Totals{Count: uint64(i.Items), Weight: uint64(i.Size)})
		l.log.Settle(i.seq)
	}
	st := l.log.Stats()
	left := st.Unsettled
	left.Count += st.Damaged.Count - min(l.damaged.Count, st.Damaged.Count)
	left.Weight += st.Damaged.Weight - min(l.damaged.Weight, st.Damaged.Weight)
	l.damaged = st.Damaged
	if l.lost(pipeline.DropCorrupt, left); left.Count > 0 {
		l.q.o.Log.Error("what was in a folder of the queue that was removed or replaced counts as lost", "lane", l.name, "items", left.Count)
	}
}

// lost books what leaves the queue without having been delivered, and says how much that is.
func (l *lane) lost(why pipeline.Reason, t spool.Totals) spool.Totals {
	if t.Count == 0 {
		return t
	}
	t = l.lacking(t)
	l.q.o.Books.Lost(why, l.signal, int(t.Count), int(t.Weight))
	l.q.o.Books.Unstored(l.signal, int(t.Count), int(t.Weight))
	return t
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
	}
	q.running.Wait()
	for _, l := range q.all() {
		if l.gone() != nil {
			l.giveUp()
		} else {
			l.bookDamage()
		}
		for _, s := range []*stream{&l.live, &l.late} {
			if s.ready != nil {
				s.ready.buf.Release()
			}
		}
	}
	if q.opened {
		errs = append(errs, q.saveRests())
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
	UntilFull             time.Duration // at the rate of the last minute; negative while the queue does not grow
}

// Status adds up the lanes.
func (q *Queue) Status() Status {
	s := Status{NoSync: q.o.NoSync, UntilFull: q.untilFull()}
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
		if l.pace.Pauses(now) {
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
