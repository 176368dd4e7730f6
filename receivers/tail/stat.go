package tail

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

// fileKey names a file on this machine while it lives, whatever it is called. birth tells two files apart that had
// the same inode one after the other; it is 0 where the file system does not say.
type fileKey struct {
	dev, ino uint64
	birth    int64 // ns since 1970
}

// same says whether two keys may be one file: birth counts only where both know it.
func (k fileKey) same(o fileKey) bool {
	return k.dev == o.dev && k.ino == o.ino && (k.birth == o.birth || k.birth == 0 || o.birth == 0)
}

// stat is what we need to know of a file.
type stat struct {
	key     fileKey
	mode    fs.FileMode
	size    int64
	changed int64  // last modification of the content, ns since 1970
	links   uint64 // 0: deleted, and only open descriptors still reach it
}

func (s stat) regular() bool { return s.mode.IsRegular() }

// fromInfo is stat from the portable call, without a birth time.
func fromInfo(i fs.FileInfo) stat {
	s := stat{mode: i.Mode(), size: i.Size(), changed: i.ModTime().UnixNano()}
	if sys, ok := i.Sys().(*syscall.Stat_t); ok {
		s.key = fileKey{dev: uint64(sys.Dev), ino: uint64(sys.Ino)}
		s.links = uint64(sys.Nlink)
	}
	return s
}

// statPath follows symbolic links.
func statPath(path string) (stat, error) {
	if s, ok, err := statx(path, nil); ok {
		return s, err
	}
	i, err := os.Stat(path)
	if err != nil {
		return stat{}, err
	}
	return fromInfo(i), nil
}

// statFile looks at an open file.
func statFile(f *os.File) (stat, error) {
	if s, ok, err := statx("", f); ok {
		return s, err
	}
	i, err := f.Stat()
	if err != nil {
		return stat{}, err
	}
	return fromInfo(i), nil
}

// openRegular opens path for reading if it is a regular file. A FIFO, a device or a socket that stands at a
// log's name must neither block nor be touched: it is looked at before it is opened, and O_NONBLOCK covers the
// moment between.
func openRegular(path string) (*os.File, stat, error) {
	s, err := statPath(path)
	if err != nil {
		return nil, s, err
	}
	if !s.regular() {
		return nil, s, errNotRegular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, s, err
	}
	s, err = statFile(f)
	if err == nil && !s.regular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return nil, s, err
	}
	return f, s, nil
}

// born is the file's birth, or the next best thing: its last change.
func (s stat) born() time.Time {
	if s.key.birth != 0 {
		return time.Unix(0, s.key.birth)
	}
	return time.Unix(0, s.changed)
}
