package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// A Mode says how a file is opened.
type Mode int

// A file is read, changed, or made new (which fails when it is there).
const (
	ModeRead Mode = iota
	ModeWrite
	ModeNew
)

// Info describes an entry of a directory.
type Info struct {
	Name string
	Size int64
	Dir  bool
}

// FS is what a log needs of a file system. Names are paths.
type FS interface {
	Mkdir(dir string) error // with its parents; nil when it is there
	Open(name string, mode Mode) (File, error)
	Rename(from, to string) error // replaces to
	Remove(name string) error
	ReadDir(dir string) ([]Info, error)
	SyncDir(dir string) error            // makes names made, changed and removed durable
	Lock(name string) (io.Closer, error) // against other processes
	Free(dir string) (uint64, error)     // bytes that may still be written
}

// A File is one open file. It has no position.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Allocate(from, size int64) error // makes room that reads as zeros; may extend the file
	Sync() error                     // makes content and size durable
}

// OS is the file system of the operating system.
type OS struct{}

func (OS) Mkdir(dir string) error { return os.MkdirAll(dir, 0o700) }

func (OS) Open(name string, mode Mode) (File, error) {
	flags := [...]int{os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREATE | os.O_EXCL}
	f, err := os.OpenFile(name, flags[mode], 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (OS) Rename(from, to string) error { return os.Rename(from, to) }
func (OS) Remove(name string) error     { return os.Remove(name) }

func (OS) ReadDir(dir string) ([]Info, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := make([]Info, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // removed meanwhile
		}
		out = append(out, Info{e.Name(), info.Size(), !info.Mode().IsRegular()})
	}
	return out, nil
}

func (OS) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (OS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := make([]byte, 64)
		n, _ := f.ReadAt(holder, 0)
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (it wrote %q): stop it, or choose another directory", ErrLocked, strings.TrimSpace(string(holder[:n])))
		}
		return nil, err
	}
	// Only for the message above: a full disk must not keep us from starting.
	_ = f.Truncate(0)
	_, _ = fmt.Fprintf(f, "pid %d\n", os.Getpid())
	return f, nil
}

func (OS) Free(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync also notices that somebody removed the file: what is in it would die with this process.
func (f osFile) Sync() error {
	if err := f.sync(); err != nil {
		return err
	}
	var st syscall.Stat_t
	if syscall.Fstat(int(f.Fd()), &st) == nil && st.Nlink == 0 {
		if _, err := os.Lstat(f.Name()); notExist(err) { // some file systems say 0 of every file
			return fmt.Errorf("%s was removed while it was in use", f.Name())
		}
	}
	return nil
}

func notExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
