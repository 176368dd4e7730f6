package store

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"github.com/sluiceio/sluice/pipeline"
)

// folders detects removed folders; later writes to their files would be lost.
type folders struct {
	mu    sync.Mutex
	known map[string]inode
}

type inode struct{ device, number uint64 }

func inodeOf(path string) (inode, bool) {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return inode{}, false
	}
	return inode{uint64(st.Dev), st.Ino}, true
}

// same reports whether path is unchanged or unknown.
func (f *folders) same(path string) bool {
	f.mu.Lock()
	was, known := f.known[path]
	f.mu.Unlock()
	is, there := inodeOf(path)
	return !known || there && is == was
}

// note remembers the folders of the parts. It returns the first one that was removed or replaced.
func (f *folders) note(parts map[pipeline.Signal]part) (gone string) {
	known := map[string]inode{}
	for _, p := range parts {
		for _, path := range p.Folders() {
			if !f.same(path) {
				return path
			}
			if is, there := inodeOf(path); there { // else the store has yet to create it
				known[path] = is
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = known
	return ""
}

// orphan is called after the folders were recreated, empty.
type orphan interface{ Orphan() error }

// lookFolders stops storing if a folder was removed, and recreates the folders: a library that cannot flush ends the
// process.
func (d *disk) lookFolders() {
	if d.gone.Load() != nil {
		d.remake() // the removal may still be going on
		return
	}
	gone := d.folders.note(d.parts)
	if gone == "" || !d.gone.CompareAndSwap(nil, &gone) {
		return
	}
	about := []any{"folder", gone}
	if err := d.remake(); err != nil {
		about = append(about, "error", err)
	}
	d.settings.Log.Error("a folder of the store was removed while it was in use; nothing is stored until the process is restarted", about...)
}

func (d *disk) remake() error {
	var errs []error
	for _, sig := range pipeline.Signals {
		p, is := d.parts[sig]
		if !is {
			continue
		}
		for _, path := range p.Folders() {
			errs = append(errs, os.MkdirAll(path, 0o750))
		}
		if o, is := p.(orphan); is {
			errs = append(errs, o.Orphan())
		}
	}
	return errors.Join(errs...)
}
