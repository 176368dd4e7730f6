package store

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"github.com/sluiceio/sluice/pipeline"
)

// folders remembers which folders the stores have, to see when somebody removes one. What is written after that goes into
// files that nobody finds again.
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

// same reports whether a folder is the one that it was.
func (f *folders) same(path string) bool {
	f.mu.Lock()
	was, known := f.known[path]
	f.mu.Unlock()
	is, there := inodeOf(path)
	return !known || there && is == was
}

// note remembers the folders of the parts, and returns one that is not the one that it was.
func (f *folders) note(parts map[pipeline.Signal]part) (gone string) {
	known := map[string]inode{}
	for _, p := range parts {
		for _, path := range p.Folders() {
			if !f.same(path) {
				return path
			}
			if is, there := inodeOf(path); there { // else it is being made
				known[path] = is
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = known
	return ""
}

// orphan is a part that has something to do when its folders were removed and are there again, empty.
type orphan interface{ Orphan() error }

// lookFolders looks whether a folder was removed. Then nothing is taken any more, and the folders are made again: the
// libraries write out what they have in memory, and what they cannot write ends the process.
func (d *disk) lookFolders() {
	if d.gone.Load() != nil {
		d.remake() // who removes them may not have been through
		return
	}
	gone := d.folders.note(d.parts)
	if gone == "" || !d.gone.CompareAndSwap(nil, &gone) {
		return
	}
	d.settings.Log.Error("a folder of the store was removed while it was in use; nothing is stored until the process is restarted",
		"folder", gone, "error", d.remake())
}

// remake makes the folders of the parts where they are not there.
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
