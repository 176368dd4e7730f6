// Package spool is an append-only log of records in segment files: checksums, one fsync for many callers, readers, and a cursor that
// remembers what is settled. FORMAT.md is the format on disk. It knows nothing of what the records are.
package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options say where a log is and what bounds it.
type Options struct {
	Dir          string        // made when it is not there
	SegmentBytes int64         // 64 MiB, or an eighth of MaxBytes where that is less (at least 1 MiB)
	MaxBytes     int64         // of unsettled records; 0: no bound. Files may take a segment more
	MaxAge       time.Duration // a segment is closed at a quarter of it, so that DropOlder frees disk; 0: by size only
	MinFree      int64         // Put leaves so many bytes of the disk free; 0: no floor
	NoSync       bool          // records count as durable when they are written: a power cut loses some
	SyncInterval time.Duration // 0: fsync as soon as somebody waits, and each 100 ms; else at most one each interval
	Ahead        int           // records that may be marked MaybeSent after a crash although nobody got them: 256
	Sum          *Sum          // adds up what is unsettled in several logs; nil: none
	FS           FS            // nil: the operating system's
	Log          *slog.Logger  // nil: silent
	Now          func() time.Time
}

// A Record is what is stored. Put keeps none of its bytes.
type Record struct {
	Header []byte // small and opaque; protected with the record's head, so that it survives damage to the body
	Body   []byte
	Count  uint32 // how many items the body holds; only added up
	Time   int64  // unix nanoseconds
	Weight uint64 // any other number that is only added up, such as a size before compression
}

// An Entry is a record that was read. Header and Body are views into Buf, which is for the next call.
type Entry struct {
	Record
	Seq       Seq
	Buf       []byte
	MaybeSent bool // a reader may have had it before: of an earlier process, or an earlier reader of this one
}

// Totals add up records. Bytes are those on disk, heads and padding included.
type Totals struct{ Records, Count, Bytes, Weight uint64 }

func (t *Totals) add(u Totals) {
	t.Records, t.Count, t.Bytes, t.Weight = t.Records+u.Records, t.Count+u.Count, t.Bytes+u.Bytes, t.Weight+u.Weight
}

func (t *Totals) sub(u Totals) {
	t.Records, t.Count, t.Bytes = t.Records-min(u.Records, t.Records), t.Count-min(u.Count, t.Count), t.Bytes-min(u.Bytes, t.Bytes)
	t.Weight -= min(u.Weight, t.Weight)
}

// minus is what is left of t without u, never less than nothing.
func (t Totals) minus(u Totals) Totals { t.sub(u); return t }

// most has the larger of each number.
func (t Totals) most(u Totals) Totals {
	return Totals{max(t.Records, u.Records), max(t.Count, u.Count), max(t.Bytes, u.Bytes), max(t.Weight, u.Weight)}
}

// A Sum is what is unsettled in all logs that share it. To read it costs nothing.
type Sum struct{ records, count, bytes, weight atomic.Uint64 }

// Totals are the sum now.
func (s *Sum) Totals() Totals {
	return Totals{s.records.Load(), s.count.Load(), s.bytes.Load(), s.weight.Load()}
}

func (s *Sum) change(from, to Totals) {
	s.records.Add(to.Records - from.Records)
	s.count.Add(to.Count - from.Count)
	s.bytes.Add(to.Bytes - from.Bytes)
	s.weight.Add(to.Weight - from.Weight)
}

// Stats is the state of a log.
type Stats struct {
	Unsettled    Totals // written and not settled
	AtOpen       Totals // unsettled when the log was opened
	Damaged      Totals // durable once, and lost. Count and Bytes of a record whose head is lost follow when its segment is settled
	Torn         Totals // found broken at Open, and never known to be durable: what a power cut leaves of the last writes
	DamagedBytes uint64 // bytes passed over, in files
	Stored       uint64 // bytes in segment files, settled ones included
	Segments     int
	Oldest       time.Time // of the oldest unsettled record; zero when there is none
	Appended     uint64    // records since Open
	Syncs        uint64    // fsyncs of segments since Open
	NoSync       bool
	LastError    error // the last of the disk, also when it was got over
}

var (
	// ErrClosed is the answer of a closed log.
	ErrClosed = errors.New("spool: closed")
	// ErrTooLarge is the answer to a record that would never fit.
	ErrTooLarge = errors.New("spool: record too large")
	// ErrUnknown is the answer to a sequence number that Put never gave.
	ErrUnknown = errors.New("spool: no such record")
	// ErrLocked is Open's answer while another process has the directory.
	ErrLocked = errors.New("another process uses it")

	errDamaged = errors.New("damaged")
)

// A FullError is Put's answer when a bound is reached. Nothing was written.
type FullError struct {
	Cap string // "bytes" (Options.MaxBytes) or "disk" (Options.MinFree)
	Max int64
}

func (e *FullError) Error() string { return fmt.Sprintf("spool: full: bound on %s (%d)", e.Cap, e.Max) }

// Is lets errors.Is find ErrFull.
func (e *FullError) Is(target error) bool { return target == ErrFull }

// ErrFull is any FullError.
var ErrFull = errors.New("spool: full")

// A LostError is what Durable answers when the fsync failed: the record is not stored.
type LostError struct{ Cause error }

func (e *LostError) Error() string { return "spool: not stored: " + e.Cause.Error() }
func (e *LostError) Unwrap() error { return e.Cause }

// A VersionError is Open's answer to files of another version. Nothing was changed.
type VersionError struct {
	File    string
	Version uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d, and this program knows %d: let the program that wrote it deliver it, or move the folder away", e.File, e.Version, version)
}

func (o Options) withDefaults() Options {
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 64 << 20
		if o.MaxBytes > 0 {
			o.SegmentBytes = min(o.SegmentBytes, max(o.MaxBytes/8, 1<<20))
		}
	}
	if o.Ahead <= 0 {
		o.Ahead = 256
	}
	if o.FS == nil {
		o.FS = OS{}
	}
	if o.Sum == nil {
		o.Sum = &Sum{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A Log is an open log. All methods may be called by several goroutines.
type Log struct {
	opt  Options
	fs   FS
	lock io.Closer

	write   sync.Mutex // held by the one who writes records; taken before mu
	scratch []byte
	freeAt  time.Time // when the free disk was last looked at
	freeFor int64     // bytes that may be written until it is looked at again
	noAlloc bool      // the file system cannot allocate

	syncing sync.Mutex // one fsync round at a time; taken before write
	saving  sync.Mutex // one saving of the cursor at a time
	image   []byte     // of the cursor
	tried   time.Time  // when it was last tried to make it

	asiding sync.Mutex
	aside   int64 // bytes that may still be copied to damaged/

	mu        sync.Mutex
	closed    bool       // no more is written or handed out
	done      bool       // nor synced
	unsaved   bool       // the cursor is to be saved, and its goroutine knows
	segs      []*segment // in order; at least the newest stays, whose name says which numbers were used
	active    *segment
	next      Seq
	durable   Seq    // all below it are durable or lost
	given     Totals // see GiveUp
	written   Totals // ever, lost ones included; less what is unsettled, it is what is settled
	settled   spans
	sent      spans // handed to readers, or perhaps handed to readers of an earlier process
	lostSpans []failure
	inflight  map[Seq]handed
	readers   []*Reader
	stats     Stats
	oldest    head // of the oldest unsettled record, when Stats last looked
	lastWarn  time.Time
	savedAt   time.Time // when an fsync last asked for the cursor, see saveRarely
	dirty     bool      // something waits for an fsync, and the sync goroutine knows
	synced    signal
	saved     signal

	syncSoon, syncNow chan struct{}
	saveSoon, saveNow chan struct{}
	stop              chan struct{}
	running           sync.WaitGroup
}

// A failure is records whose fsync failed.
type failure struct {
	span
	err error
}

// handed is what is known of a record that a reader has.
type handed struct {
	off    int64
	size   int64
	time   int64
	count  uint32
	weight uint64
}

// A signal wakes all who wait for it. Log.mu guards it: who looks at the state and then takes the channel misses nothing.
type signal struct {
	ch      chan struct{}
	waiting bool
}

func (s *signal) wait() <-chan struct{} {
	s.waiting = true
	return s.ch
}

func (s *signal) broadcast() {
	if s.waiting {
		close(s.ch)
		s.ch, s.waiting = make(chan struct{}), false
	}
}

func kick(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Open opens the log in a directory, or makes it. It fails when the directory cannot be used, another process has it, or a newer
// program wrote it; never because of damage, which it counts and moves aside.
func Open(o Options) (*Log, error) {
	o = o.withDefaults()
	if o.Dir == "" {
		return nil, errors.New("spool: no directory is named")
	}
	if err := o.FS.Mkdir(o.Dir); err != nil {
		return nil, fmt.Errorf("cannot make directory %s: %w", o.Dir, err)
	}
	lock, err := o.FS.Lock(filepath.Join(o.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("cannot lock directory %s: %w", o.Dir, err)
	}
	l := &Log{
		opt: o, fs: o.FS, lock: lock, scratch: make([]byte, directBody+headSize+MaxHeader+8),
		inflight: map[Seq]handed{}, synced: signal{ch: make(chan struct{})}, saved: signal{ch: make(chan struct{})},
		syncSoon: make(chan struct{}, 1), syncNow: make(chan struct{}, 1),
		saveSoon: make(chan struct{}, 1), saveNow: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	l.stats.NoSync = o.NoSync
	l.savedAt = time.Now()
	if err := l.recover(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	l.running.Add(2)
	go l.pace(l.syncSoon, l.syncNow, max(o.SyncInterval, 0), l.sync)
	go l.pace(l.saveSoon, l.saveNow, 0, l.SaveCursor)
	return l, nil
}

func (l *Log) path(name string) string { return filepath.Join(l.opt.Dir, name) }

// Close makes durable what was written, saves the cursor and gives the directory back. Calls that wait get ErrClosed.
func (l *Log) Close() error {
	l.write.Lock()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.write.Unlock()
		return nil
	}
	l.closed = true
	l.active = nil // so that it is sealed
	l.mu.Unlock()
	l.write.Unlock()
	close(l.stop)
	l.running.Wait()
	err := l.sync()
	l.mu.Lock()
	l.done, l.readers = true, nil // what readers may hand out soon, they will not
	l.synced.broadcast()
	l.saved.broadcast()
	l.mu.Unlock()
	return errors.Join(err, l.SaveCursor(), l.lock.Close())
}

// End is the number that the next record will have: a reader from it gets what is appended from now on.
func (l *Log) End() Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// Stats says how things are. It reads a few heads when Oldest is a record that no reader has reached.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	st := l.stats
	st.Segments = len(l.segs)
	for _, s := range l.segs {
		st.Stored += uint64(s.data)
	}
	first := l.settled.next(0)
	h, known := l.inflight[first]
	if l.oldest.seq == first {
		h.time, known = l.oldest.time, true
	}
	p, ok := l.part(first)
	l.mu.Unlock()
	if !known && ok {
		f := newFinder(l)
		if found, _, err := f.find(p, first); err == nil && found.seq == first {
			h.time, known = found.time, true
			l.mu.Lock()
			l.oldest = found.head
			l.mu.Unlock()
		}
		f.close()
	}
	if known {
		st.Oldest = time.Unix(0, h.time)
	}
	return st
}

// part is the segment that has seq, as far as it may be read. l.mu is held.
func (l *Log) part(seq Seq) (part, bool) {
	i, _ := slices.BinarySearchFunc(l.segs, seq, func(s *segment, seq Seq) int {
		if s.end <= seq {
			return -1
		}
		return 1
	})
	if i == len(l.segs) || l.segs[i].first > seq {
		return part{}, false
	}
	s := l.segs[i]
	p := part{s, s.end, s.data, s.hint}
	if s.f != nil {
		p.end, p.data = s.durable.seq, s.durable.off
	}
	return p, seq < p.end
}

// trouble remembers an error of the disk and says it, once a second at most.
func (l *Log) trouble(what string, err error) {
	l.mu.Lock()
	l.stats.LastError = fmt.Errorf("cannot %s: %w", what, err)
	l.mu.Unlock()
	l.warn("the disk gave an error", slog.String("while", what), slog.Any("error", err))
}

func (l *Log) warn(msg string, attrs ...any) {
	now := l.opt.Now()
	l.mu.Lock()
	quiet := now.Sub(l.lastWarn) < time.Second && now.After(l.lastWarn)
	if !quiet {
		l.lastWarn = now
	}
	l.mu.Unlock()
	if !quiet {
		l.opt.Log.Warn(msg, append([]any{slog.String("directory", l.opt.Dir)}, attrs...)...)
	}
}
