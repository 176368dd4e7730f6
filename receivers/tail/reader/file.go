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

// File is one file for as long as we know of it, open or not, whatever it is called today.
type File struct {
	Key  fileid.Key
	Path string // the name it was first found under; its records carry it

	win atomic.Pointer[progress] // another one once the content is

	// Start sets reading; the goroutine clears it when it has closed the file. Whoever holds the file in this sense owns
	// the fields of position.
	reading atomic.Bool
	position

	rotated atomic.Bool   // its first name leads elsewhere now, or nowhere
	deleted atomic.Bool   // no name leads to it: only the open descriptor does
	unread  atomic.Int64  // bytes, for the gauge
	disk    atomic.Int64  // its size, while it is deleted
	wake    chan struct{} // ends the reader's pause
	name    atomic.Value  // string: today's name
	another atomic.Bool   // its content became another one, and nobody has looked into that yet
	giveUp  atomic.Bool   // its rest is to be counted and left

	succession

	watched bool          // it was open when its name led nowhere for the first time
	handle  *os.File      // while it is parked; see parked, whose lock guards both
	place   *list.Element // where
}

// window is the batches of its content that are on their way.
func (f *File) window() *progress { return f.win.Load() }

// position is where the reader stands. Offsets are bytes from the file's beginning.
type position struct {
	lines      record.Lines
	envelope   *record.Envelope // nil while no reader needs it
	prefix     []byte           // the first fileid.FingerprintMax bytes, or all there are; nil while not open
	decided    bool             // whether lines are CRI is known
	compressed bool             // not read
	ended      bool             // what stood behind the last newline was delivered, because nothing more is expected

	trail   fileid.Trail    // what stands before next, or a place before it
	keep    bool            // the reader that ends leaves it open
	next    int64           // where the first line begins that is not yet a record
	skip    int64           // where the search for the end of an overlong line, or of a run of NULs, goes on; 0: no search
	nuls    bool            // the search is for the end of a run of NULs
	seen    fileid.Stat     // of the last look
	behind  bool            // the last look left something that can be read
	left    bool            // its name led elsewhere at the last look
	grew    time.Time       // when it was last seen to be longer than before
	tried   int64           // the size at which there was nothing complete to read
	blocked <-chan struct{} // closed when a full window may have room again; nil: it has
	owes    func()          // is called when the inherited records are acknowledged; nil: there are none
	waits   time.Time       // since when it waits for its elder, and nobody reads that
	records int64           // since the file's beginning or our start, with bytes: the average
	bytes   int64
}

// Begin says where a file is and where reading begins in it.
type Begin struct {
	Name        string // today's
	Path        string // what its records carry
	Stat        fileid.Stat
	Offset      int64
	Fingerprint fileid.Fingerprint // of the content that Offset is for
	Mark        fileid.Mark        // of a place in it, at or before Offset
}

// NewFile makes a file that is not read yet.
func (r *Reader) NewFile(b Begin) *File {
	f := &File{Key: b.Stat.Key, Path: b.Path, wake: make(chan struct{}, 1)}
	f.name.Store(b.Name)
	f.lines = record.NewLines(r.cfg.MaxLineBytes, r.attributes)
	f.tried = -1
	f.next, f.trail = b.Offset, fileid.TrailOf(b.Mark)
	f.win.Store(&progress{})
	f.window().begin(b)
	f.window().look(b.Stat)
	f.unread.Store(max(0, b.Stat.Size-b.Offset))
	f.seen = fileid.Stat{Key: b.Stat.Key, Size: -1} // not looked at by a reader yet
	return f
}

// Name is what the file is called today.
func (f *File) Name() string { return f.name.Load().(string) }

// Rename notes today's name.
func (f *File) Rename(name string) { f.name.Store(name) }

// Rotated notes that its first name leads elsewhere, or nowhere: once it is quiet it is read to its very end. It says
// whether that is new.
func (f *File) Rotated() (first bool) {
	first = !f.rotated.Swap(true)
	if first {
		f.nudge()
	}
	return first
}

// Returned notes that its first name leads to it again.
func (f *File) Returned() { f.rotated.Store(false) }

// Reading says whether somebody reads it.
func (f *File) Reading() bool { return f.reading.Load() }

// Rewritten says that its content became another one, and that Resolved was not called since.
func (f *File) Rewritten() bool { return f.another.Load() }

// Resolved says that the file may be read again.
func (f *File) Resolved() { f.another.Store(false) }

// Deleted says whether no name leads to it any more.
func (f *File) Deleted() bool { return f.deleted.Load() }

// Outstanding says whether requests of it are not acknowledged.
func (f *File) Outstanding() bool {
	calls, _ := f.window().outstanding()
	return calls > 0
}

// Unread is how many bytes of it are not made into records.
func (f *File) Unread() int64 { return f.unread.Load() }

// DeletedBytes is the disk space that it holds although it is deleted, because it is still open.
func (f *File) DeletedBytes() int64 { return f.disk.Load() }

// GiveUp makes its reader count what is left, and leave it.
func (f *File) GiveUp() {
	f.giveUp.Store(true)
	f.nudge()
}

// Entry is what a restart has to know of it.
func (f *File) Entry(now time.Time) checkpoint.Entry {
	e := f.window().entry()
	e.Key, e.Path, e.Seen = f.Key, f.Path, now.Unix()
	return e
}

// Born is when the file was made, or the next best thing: when it was last modified.
func (f *File) Born() time.Time { return f.Key.Born(f.window().entry().Modified) }

// Look notes what a file is like that nobody reads, and says whether a reader has something to do.
func (f *File) Look(s fileid.Stat) (wanted bool) {
	f.unread.Store(max(0, s.Size-f.next))
	if f.compressed && s.Size >= f.seen.Size {
		return false
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
	if !f.watched {
		r.metrics.Unwatched.Inc()
	}
	if f.Outstanding() {
		f.deleted.Store(true)
	}
}

// nudge ends the reader's pause.
func (f *File) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Estimate is about how many records n bytes of the file are, at least one.
func (f *File) Estimate(n int64) int {
	if f.records == 0 || f.bytes == 0 {
		return 1
	}
	return int(max(1, n*f.records/f.bytes))
}
