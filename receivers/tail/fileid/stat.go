// Package fileid identifies files independent of their name: by device, inode and birth time, and by their first bytes. It
// also recognizes the names of rotated files.
package fileid

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrNotRegular is returned by Open for a folder, FIFO, device or socket.
var ErrNotRegular = errors.New("not a regular file")

// Key identifies an existing file on this machine. Birth tells apart files that reused an inode; it is 0 if unknown.
type Key struct {
	Dev, Ino uint64
	Birth    int64 // ns since 1970
}

// Same reports whether two keys may be one file: Birth counts only if both have it.
func (k Key) Same(o Key) bool {
	return k.Dev == o.Dev && k.Ino == o.Ino && (k.Birth == o.Birth || k.Birth == 0 || o.Birth == 0)
}

// Born returns the birth time or, if unknown, modified (ns since 1970).
func (k Key) Born(modified int64) time.Time {
	if k.Birth != 0 {
		return time.Unix(0, k.Birth)
	}
	return time.Unix(0, modified)
}

// Stat is the metadata of a file.
type Stat struct {
	Key
	Mode     fs.FileMode // type bits
	Size     int64
	Modified int64  // of the content, ns since 1970
	Links    uint64 // 0: deleted, reachable only through open descriptors
	Changed  int64  // when the metadata was changed last: of a deleted file, when it was deleted; 0 if unknown
}

// Regular reports whether it is a regular file.
func (s Stat) Regular() bool { return s.Mode.IsRegular() }

// Born returns the birth time or, if unknown, the last modification.
func (s Stat) Born() time.Time { return s.Key.Born(s.Modified) }

// StatPath follows symbolic links.
func StatPath(path string) (Stat, error) {
	if s, ok, err := statx(path, nil); ok {
		return s, err
	}
	i, err := os.Stat(path)
	if err != nil {
		return Stat{}, err
	}
	return fromInfo(i), nil
}

// StatFile returns the metadata of an open file.
func StatFile(f *os.File) (Stat, error) {
	if s, ok, err := statx("", f); ok {
		return s, err
	}
	i, err := f.Stat()
	if err != nil {
		return Stat{}, err
	}
	return fromInfo(i), nil
}

func fromInfo(i fs.FileInfo) Stat {
	s := Stat{Mode: i.Mode(), Size: i.Size(), Modified: i.ModTime().UnixNano()}
	if sys, ok := i.Sys().(*syscall.Stat_t); ok {
		s.Key = Key{Dev: uint64(sys.Dev), Ino: uint64(sys.Ino), Birth: birth(sys)}
		s.Links = uint64(sys.Nlink)
	}
	return s
}

// Open opens a regular file. It never blocks on a FIFO, device or socket: it calls stat first, and O_NONBLOCK covers a race.
// Links are refused: callers resolve them.
func Open(path string) (*os.File, Stat, error) {
	s, err := StatPath(path)
	if err != nil {
		return nil, s, err
	}
	if !s.Regular() {
		return nil, s, ErrNotRegular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, s, err
	}
	s, err = StatFile(f)
	if err == nil && !s.Regular() {
		err = ErrNotRegular
	}
	if err != nil {
		f.Close()
		return nil, s, err
	}
	return f, s, nil
}

// Mounted reports whether the nearest existing folder at or above dir is on dev.
func Mounted(dir string, dev uint64) bool {
	for {
		s, err := StatPath(dir)
		if err == nil {
			return s.Dev == dev
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}
