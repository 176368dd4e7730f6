// Package spooltest has a file system in memory that forgets what was not synced, fills up, and fails on demand: for tests of what
// is built on spool.
package spooltest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sluiceio/sluice/spool"
)

// ErrCrashed is the answer to every operation after the crash.
var ErrCrashed = errors.New("spooltest: crashed")

// ErrShort makes a write stop half way with ENOSPC.
var ErrShort = errors.New("spooltest: short write")

// An Op is one operation on the file system.
type Op struct {
	N    int    // from 1; reads are counted, too
	Kind string // mkdir, open, new, rename, remove, readdir, syncdir, lock, read, write, size, truncate, allocate, sync, free
	Name string
}

// Reads reports whether the operation changes nothing.
func (o Op) Reads() bool {
	return slices.Contains([]string{"open", "readdir", "read", "size", "lock", "free"}, o.Kind)
}

// FS is a file system in memory. Set its fields before it is used.
type FS struct {
	// Hook is called before each operation; what it returns is the operation's error. ErrCrashed freezes the file system: the
	// operation is as if it had been under way.
	Hook     func(Op) error
	Capacity int64 // bytes that all files may have; 0: no bound
	NoAlloc  bool  // Allocate is not supported

	mu      sync.Mutex
	n       int
	crashed bool
	live    map[string]*inode
	durable map[string]*inode
	pending []change // of names, since their folder was synced
	dirs    map[string]bool
	locked  map[string]bool
	taken   int64 // of Capacity by others
}

// A change of names is atomic.
type change struct {
	dir string
	set map[string]*inode // nil: removed
}

// An inode has its content, what of it is durable, and the writes between.
type inode struct {
	data, synced []byte
	pending      []edit
}

// An edit is a write, or a change of size when data is nil.
type edit struct {
	off  int64
	data []byte
}

// NewFS makes an empty file system.
func NewFS() *FS {
	return &FS{live: map[string]*inode{}, durable: map[string]*inode{}, dirs: map[string]bool{}, locked: map[string]bool{}}
}

// Ops is how many operations there were.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// Take gives bytes of the capacity to somebody else, or takes them back.
func (f *FS) Take(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken += bytes
}

// Files is the content of all files, by path; SetFile changes one, for tests that damage files.
func (f *FS) Files() map[string][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string][]byte{}
	for name, i := range f.live {
		out[name] = slices.Clone(i.data)
	}
	return out
}

// SetFile makes or replaces a file, durably; nil removes it.
func (f *FS) SetFile(name string, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if b == nil {
		delete(f.live, name)
		delete(f.durable, name)
		return
	}
	i := &inode{data: slices.Clone(b), synced: slices.Clone(b)}
	f.live[name], f.durable[name] = i, i
}

// begin counts an operation and asks the hook. crash is true for the one that the crash interrupts. f.mu is held.
func (f *FS) begin(kind, name string) (crash bool, err error) {
	if f.crashed {
		return false, ErrCrashed
	}
	f.n++
	if f.Hook == nil {
		return false, nil
	}
	if err = f.Hook(Op{f.n, kind, name}); errors.Is(err, ErrCrashed) {
		f.crashed = true
		return true, err
	}
	if err != nil && !errors.Is(err, ErrShort) {
		err = &fs.PathError{Op: kind, Path: name, Err: err}
	}
	return false, err
}

func (f *FS) used() int64 {
	n := f.taken
	seen := map[*inode]bool{}
	for _, i := range f.live {
		if !seen[i] {
			seen[i] = true
			n += int64(len(i.data))
		}
	}
	return n
}

// do runs an operation on names: under way when the crash comes, or done.
func (f *FS) do(kind, name string, work func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	crash, err := f.begin(kind, name)
	if crash {
		_ = work()
	}
	if err != nil {
		return err
	}
	return work()
}

func (f *FS) change(set map[string]*inode) {
	for name := range set {
		c := change{filepath.Dir(name), set}
		f.pending = append(f.pending, c)
		apply(f.live, c)
		return
	}
}

func missing(kind, name string) error {
	return &fs.PathError{Op: kind, Path: name, Err: fs.ErrNotExist}
}

// Mkdir makes a folder, which is durable at once.
func (f *FS) Mkdir(dir string) error {
	return f.do("mkdir", dir, func() error { f.dirs[dir] = true; return nil })
}

// Open opens a file.
func (f *FS) Open(name string, mode spool.Mode) (spool.File, error) {
	kind := "open"
	if mode == spool.ModeNew {
		kind = "new"
	}
	var out *file
	err := f.do(kind, name, func() error {
		i := f.live[name]
		switch {
		case mode == spool.ModeNew && i != nil:
			return &fs.PathError{Op: kind, Path: name, Err: fs.ErrExist}
		case mode == spool.ModeNew:
			i = &inode{}
			f.change(map[string]*inode{name: i})
		case i == nil:
			return missing(kind, name)
		}
		out = &file{f, name, i, mode}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Rename replaces to.
func (f *FS) Rename(from, to string) error {
	return f.do("rename", to, func() error {
		i := f.live[from]
		if i == nil {
			return missing("rename", from)
		}
		f.change(map[string]*inode{from: nil, to: i})
		return nil
	})
}

// Remove removes a file.
func (f *FS) Remove(name string) error {
	return f.do("remove", name, func() error {
		if f.live[name] == nil {
			return missing("remove", name)
		}
		f.change(map[string]*inode{name: nil})
		return nil
	})
}

// ReadDir lists files and folders.
func (f *FS) ReadDir(dir string) (out []spool.Info, err error) {
	err = f.do("readdir", dir, func() error {
		if !f.dirs[dir] {
			return missing("readdir", dir)
		}
		for name, i := range f.live {
			if filepath.Dir(name) == dir {
				out = append(out, spool.Info{Name: filepath.Base(name), Size: int64(len(i.data))})
			}
		}
		for d := range f.dirs {
			if filepath.Dir(d) == dir && d != dir {
				out = append(out, spool.Info{Name: filepath.Base(d), Dir: true})
			}
		}
		slices.SortFunc(out, func(a, b spool.Info) int { return strings.Compare(a.Name, b.Name) })
		return nil
	})
	return out, err
}

// SyncDir makes names durable.
func (f *FS) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin("syncdir", dir); err != nil {
		return err
	}
	f.pending = slices.DeleteFunc(f.pending, func(c change) bool {
		if c.dir == dir {
			apply(f.durable, c)
		}
		return c.dir == dir
	})
	return nil
}

// Lock is held until it is closed.
func (f *FS) Lock(name string) (io.Closer, error) {
	err := f.do("lock", name, func() error {
		if f.locked[name] {
			return fmt.Errorf("another process uses it")
		}
		f.locked[name] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return unlock{f, name}, nil
}

type unlock struct {
	f    *FS
	name string
}

func (u unlock) Close() error {
	u.f.mu.Lock()
	defer u.f.mu.Unlock()
	delete(u.f.locked, u.name)
	return nil
}

// Free is what is left of the capacity.
func (f *FS) Free(dir string) (n uint64, err error) {
	err = f.do("free", dir, func() error {
		if n = 1 << 40; f.Capacity > 0 {
			n = uint64(max(0, f.Capacity-f.used()))
		}
		return nil
	})
	return n, err
}
