package reader

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/record"
)

// A container's record may be split by a rotation: its P lines end the old file, its F line begins the new one. So the new
// file waits until the old one is read to its end, and takes over what is unfinished there.

// succession is how a file and the one that stands at its first name now know each other.
type succession struct {
	heir    atomic.Pointer[File]    // nil: none, or it has what it waited for
	elder   atomic.Pointer[File]    // nil: none, or it gave what it had
	wants   atomic.Bool             // it has content, and waits for elder
	bequest atomic.Pointer[bequest] // what elder gave
}

// bequest is what was unfinished in a file.
type bequest struct {
	parts  record.Parts
	settle func() // is called when all of it is acknowledged in the heir
}

// errHeir says that nothing was read because the elder file is not read to its end.
var errHeir = errors.New("the file that stood here before is not read to its end")

// Succeed says that heir stands where elder stood. Nobody reads heir yet.
func (r *Reader) Succeed(elder, heir *File) {
	heir.elder.Store(elder)
	elder.heir.Store(heir)
}

// inherit takes over what the elder file left unfinished. It answers false while that is not known.
func (r *Reader) inherit(f *File) bool {
	elder := f.elder.Load()
	if elder == nil {
		return true
	}
	if elder.window().refusing() {
		return false // what was refused comes first
	}
	if b := f.bequest.Swap(nil); b != nil {
		f.lines.Inherit(b.parts)
		f.owes = b.settle
		f.elder.Store(nil)
		return true
	}
	if elder.Reading() || f.waits.IsZero() {
		f.waits = time.Now()
	}
	if !f.lines.CRI() || time.Since(f.waits) >= quiet {
		elder.heir.Store(nil)
		f.elder.Store(nil)
		return true
	}
	if !f.wants.Swap(true) {
		elder.nudge()
	}
	return false
}

// wanted says whether an heir waits for what is unfinished.
func (f *File) wanted() bool {
	heir := f.heir.Load()
	return heir != nil && heir.wants.Load()
}

// bequeath gives the heir what is unfinished: the heir had content before the last look, so nothing more comes here.
func (r *Reader) bequeath(f *File) {
	heir := f.heir.Swap(nil)
	if heir == nil {
		return
	}
	b := &bequest{settle: f.owes}
	f.owes = nil
	if f.lines.Open() {
		b.parts = f.lines.TakeParts()
		w, before := f.window(), b.settle
		c := f.launch(f.next, 0)
		b.settle = func() {
			w.settle(c)
			r.changed()
			if before != nil {
				before()
			}
		}
	}
	heir.bequest.Store(b)
	heir.nudge()
}
