package reader

import (
	"container/list"
	"os"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

// File is a followed file, open or not, under any name.
type File struct {
	Key  fileid.Key
	Path string // where it was first found; its records carry it
	As   string // the pod's log by which a link led to it; its records carry that, too; usually empty
	Link string // the link by which it was found; usually empty

	win atomic.Pointer[progress] // replaced when the content is

	// Start sets reading; the goroutine clears it after closing the file. Whoever set it owns position.
	reading atomic.Bool
	position

	rotated atomic.Bool   // its path leads elsewhere or nowhere
	deleted atomic.Bool   // no name is left, only the open descriptor
	unread  atomic.Int64  // bytes, for the gauge
	disk    atomic.Int64  // its size, while it is deleted
	wake    chan struct{} // ends the reader's pause
	name    atomic.Value  // string: current name
	another atomic.Bool   // the content was replaced; not resolved yet
	giveUp  atomic.Bool   // count the rest as lost and close
	yield   atomic.Bool   // see Yield

	succession

	rest  atomic.Pointer[os.File] // of a deleted file after a stop; see Remains
	saved atomic.Pointer[Saved]   // of a deleted file; see save

	watched bool          // it was open when its name led nowhere for the first time
	handle  *os.File      // while it is parked; see parked, whose lock guards both
	place   *list.Element // where
}

func (f *File) window() *progress { return f.win.Load() }

// position is the state of reading. Offsets are in bytes.
type position struct {
	lines      record.Lines
	envelope   *record.Envelope // nil without a reader
	prefix     []byte           // the first fileid.FingerprintMax bytes, or all; nil while closed
	decided    bool             // the format is known
	compressed bool             // not read
	ended      bool             // the text after the last newline was delivered; no more is expected

	trail   fileid.Trail // bytes before next, or before an earlier place
	keep    bool         // park the file when the reader ends
	next    int64        // start of the first line that is not a record yet
	skip    int64        // where to continue the search for the end of an overlong line or a run of NULs; 0: none
	nuls    bool         // the search is for the end of NULs
	seen    fileid.Stat  // last stat
	behind  bool         // the last look left something to read
	left    bool         // its name led elsewhere at the last look
	grew    time.Time    // last growth
	resized time.Time    // the same, but for nothing else
	stuck   time.Time    // since when the pipeline takes nothing of a deleted file; see toSave

	retrySave  time.Time
	savedBytes int64           // of the copy that the file is
	tried      int64           // size at which nothing complete was left
	blocked    <-chan struct{} // closed when a full window may have room; nil: it has room
	owes       func()          // called when the inherited records are acknowledged; nil: none
	filled     time.Time       // when it last filled a batch
	waits      time.Time       // waiting for its elder since, while nobody reads that
	records    int64           // with bytes, for the average record size
	bytes      int64
}

// Begin says where to start in a file.
type Begin struct {
	Name        string // today's
	Path        string // carried by the records
	As, Link    string // see File
	Stat        fileid.Stat
	Offset      int64
	Fingerprint fileid.Fingerprint // of the content that Offset refers to
	Mark        fileid.Mark        // of a place at or before Offset
	Compressed  bool
}

// NewFile makes a file that is not read yet.
func (r *Reader) NewFile(b Begin) *File {
	f := &File{Key: b.Stat.Key, Path: b.Path, As: b.As, Link: b.Link, wake: make(chan struct{}, 1)}
	f.name.Store(b.Name)
	f.lines = record.NewLines(r.cfg.MaxLineBytes, r.attributes)
	f.lines.Detect(r.cfg.Detect)
	f.tried = -1
	f.next, f.trail = b.Offset, fileid.TrailOf(b.Mark)
	f.win.Store(&progress{})
	f.window().begin(b)
	f.window().look(b.Stat)
	f.count(b.Stat.Size)
	f.seen = fileid.Stat{Key: b.Stat.Key, Size: -1} // not looked at by a reader yet
	return f
}

// Name returns the current name.
func (f *File) Name() string { return f.name.Load().(string) }

// Rename sets the current name.
func (f *File) Rename(name string) { f.name.Store(name) }

// Rotated records that the path leads elsewhere: once quiet, the file is read to its end, with the last partial line. It
// reports whether this is new.
func (f *File) Rotated() (first bool) {
	first = !f.rotated.Swap(true)
	if first {
		f.nudge()
	}
	return first
}

// Returned records that the path leads to the file again.
func (f *File) Returned() { f.rotated.Store(false) }

// Reading reports whether a goroutine reads the file.
func (f *File) Reading() bool { return f.reading.Load() }

// Rewritten reports whether the content was replaced and not yet resolved.
func (f *File) Rewritten() bool { return f.another.Load() }

// Begun reports whether any of the content was seen.
func (f *File) Begun() bool { return f.window().known().Known() }

// Resolved allows reading again.
func (f *File) Resolved() { f.another.Store(false) }

// Deleted reports whether no name leads to it.
func (f *File) Deleted() bool { return f.deleted.Load() }

// Outstanding reports whether there are unacknowledged requests.
func (f *File) Outstanding() bool {
	calls, _ := f.window().outstanding()
	return calls > 0
}

// Unread returns the bytes not yet made into records.
func (f *File) Unread() int64 { return f.unread.Load() }

// DeletedBytes returns the disk space held by the file if it is deleted but open.
func (f *File) DeletedBytes() int64 { return f.disk.Load() }

// GiveUp makes the reader count the rest as lost and close.
func (f *File) GiveUp() {
	f.giveUp.Store(true)
	f.nudge()
}

// Entry returns the state for the checkpoint.
func (f *File) Entry(now time.Time) checkpoint.Entry {
	e := f.window().entry()
	e.Key, e.Path, e.As, e.Link, e.Seen = f.Key, f.Path, f.As, f.Link, now.Unix()
	return e
}

// Content returns what identifies the content, as far as it was read.
func (f *File) Content() checkpoint.Entry {
	e := f.window().read()
	e.Key, e.Path, e.As, e.Link = f.Key, f.Path, f.As, f.Link
	return e
}

// Born returns the birth time or, if unknown, the last modification.
func (f *File) Born() time.Time { return f.Key.Born(f.window().entry().Modified) }

// count sets the unread bytes of a file of a size.
func (f *File) count(size int64) {
	if f.window().skips() {
		size = 0
	}
	f.unread.Store(max(0, size-f.next))
}

// Look records the state of a file without a reader, and reports whether it needs one.
func (f *File) Look(s fileid.Stat) (wanted bool) {
	f.count(s.Size)
	if f.compressed && s.Size >= f.seen.Size {
		return false
	}
	if due := f.due(); due > 0 && due <= uint64(time.Now().UnixNano()) {
		return true
	}
	unfinished := f.rotated.Load() && !f.ended && (f.next < s.Size || f.lines.Open())
	return f.behind || f.wanted() || s.Size != f.seen.Size || s.Modified != f.seen.Modified || unfinished
}

// Gone counts what was not read of a file that nobody reads and that was found nowhere any more, and the file itself if
// it was not open: nobody knows what was written to it last.
func (r *Reader) Gone(f *File) {
	unread := f.window().entry().Size - f.next
	if unread > 0 {
		r.Lose(pipeline.DropRotatedUnread, f.Estimate(unread), unread)
		r.settings.Log.Warn("a file was deleted or moved away before it was read to its end; its rest is lost and counted as rotated_unread", "file", f.Path, "unread_bytes", unread)
	}
	r.last(f, pipeline.DropRotatedUnread)
	f.window().cut(f.next)
	if !f.watched && !f.window().skips() {
		r.metrics.Unwatched.Inc()
	}
	if f.Outstanding() {
		f.deleted.Store(true)
	}
}

func (f *File) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Estimate returns how many records n bytes hold, at least one.
func (f *File) Estimate(n int64) int {
	if f.records == 0 || f.bytes == 0 {
		return 1
	}
	return int(max(1, n*f.records/f.bytes))
}
