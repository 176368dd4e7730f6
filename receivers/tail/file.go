package tail

import (
	"sync/atomic"
	"time"
)

// file is one file for as long as we know of it, open or not, whatever it is called today.
type file struct {
	key  fileKey
	path string // the name it was first found under; its records carry it
	kept bool   // the checkpoint knew it

	progress

	// The scanner starts a reader and sets reading; the reader clears it when it has closed the file. Whoever holds
	// the file in this sense owns the fields of position.
	reading atomic.Bool
	position

	rotated atomic.Bool   // its first name leads elsewhere now, or nowhere
	deleted atomic.Bool   // no name leads to it: only the open descriptor does
	unread  atomic.Int64  // bytes, for the gauge
	disk    atomic.Int64  // its size, while it is deleted
	wake    chan struct{} // ends the reader's pause
	where   atomic.Value  // string: today's name
	giveUp  atomic.Bool   // its rest is to be counted and left, for max_deleted_bytes
	due     time.Time     // scanner only: when to look at it again while no reader does
	pause   time.Duration // scanner only: how long after that
	round   int           // scanner only: the last listing that gave it
	missed  int           // scanner only: the listing after which it is taken as gone; 0: it is there
}

// position is where the reader stands. Offsets are bytes from the file's beginning.
type position struct {
	lines    lines
	envelope *envelope // nil while no reader needs it
	prefix   []byte    // the first fingerprintMax bytes, or all there are; nil while not open
	decided  bool      // lines.cri is known
	packed   bool      // compressed: not read
	ended    bool      // what stood behind the last newline was delivered, because nothing more is expected

	next    int64           // where the first line begins that is not yet a record
	skip    int64           // where the search for the end of an overlong line, or of a run of NULs, goes on; 0: no search
	nuls    bool            // the search is for the end of a run of NULs
	seen    stat            // of the last look
	behind  bool            // the last look left something that can be read
	left    bool            // its name led elsewhere at the last look
	grew    time.Time       // when it was last seen to be longer than before
	tried   int64           // the size at which there was nothing complete to read
	blocked <-chan struct{} // closed when a full window may have room again; nil: it has
	records int64           // since the file's beginning or our start, with bytes: the average
	bytes   int64
}

func newFile(path, name string, s stat) *file {
	f := &file{key: s.key, path: path, wake: make(chan struct{}, 1)}
	f.where.Store(name)
	f.tried = -1
	f.seen = s
	return f
}

// name is what the file is called today.
func (f *file) name() string { return f.where.Load().(string) }

// born is when the file was made, or the next best thing: when it was last changed.
func (f *file) born() time.Time {
	return stat{key: f.key, changed: f.entry().changed}.born()
}

// nudge ends the reader's pause.
func (f *file) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// wants says whether a look at a file that nobody reads gives a reader something to do.
func (f *file) wants(s stat) bool {
	if f.packed && s.size >= f.seen.size {
		return false
	}
	unfinished := f.rotated.Load() && !f.ended && (f.next < s.size || f.lines.open())
	return f.behind || s.size != f.seen.size || s.changed != f.seen.changed || unfinished
}

// estimate is about how many records n bytes of the file are, at least one.
func (f *file) estimate(n int64) int {
	if f.records == 0 || f.bytes == 0 {
		return 1
	}
	return int(max(1, n*f.records/f.bytes))
}
