package reader

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/record"
)

// Rotation may split a record of a container log: its first lines at the end of the old file (elder), the last in the new one (heir). So the heir
// waits until the elder is read to its end, and takes over its unfinished records.

type succession struct {
	heir    atomic.Pointer[File]    // nil: none, or already served
	elder   atomic.Pointer[File]    // nil: none, or already inherited from
	wants   atomic.Bool             // has content and waits for elder
	bequest atomic.Pointer[bequest] // from elder
}

// bequest holds unfinished records.
type bequest struct {
	parts  record.Parts
	settle func() // called when all of it is acknowledged in the heir
}

var errHeir = errors.New("the previous file at this path is not read to its end yet")

// Succeed links elder and heir, its successor at the same path. heir must not be read yet.
func (r *Reader) Succeed(elder, heir *File) {
	heir.elder.Store(elder)
	elder.heir.Store(heir)
}

// inherit returns false while the elder's unfinished records are unknown.
func (r *Reader) inherit(f *File) bool {
	elder := f.elder.Load()
	if elder == nil {
		return true
	}
	if _, records := elder.window().outstanding(); records > 0 {
		return false // they go first, also when they are refused
	}
	r.gather.flush() // its last lines first
	if b := f.bequest.Swap(nil); b != nil {
		f.lines.Inherit(b.parts)
		f.owes = b.settle
		f.elder.Store(nil)
		return true
	}
	if elder.Reading() || f.waits.IsZero() {
		f.waits = time.Now()
	}
	if !f.lines.Joins() || time.Since(f.waits) >= quiet {
		elder.heir.Store(nil)
		f.elder.Store(nil)
		return true
	}
	if !f.wants.Swap(true) {
		elder.nudge()
	}
	return false
}

func (f *File) wanted() bool {
	heir := f.heir.Load()
	return heir != nil && heir.wants.Load()
}

// bequeath hands the unfinished records to the heir. The heir had content before the last look, so no more comes here.
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
		c := w.launch(f.call(f.next, 0))
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
