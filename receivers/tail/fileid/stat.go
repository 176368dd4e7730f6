// Package fileid says which file a file is, whatever it is called today: by device, inode and birth time, and by a
// fingerprint of its first bytes. It also knows the names that a rotation gives.
package fileid

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrNotRegular is the error of Open for a folder, a FIFO, a device or a socket.
var ErrNotRegular = errors.New("not a regular file")

// Key names a file on this machine while it lives. Birth tells two files apart that had the same inode one after the
// other; it is 0 where the file system does not say.
type Key struct {
	Dev, Ino uint64
	Birth    int64 // ns since 1970
}

// Same says whether two keys may be one file: birth counts only where both know it.
func (k Key) Same(o Key) bool {
	return k.Dev == o.Dev && k.Ino == o.Ino && (k.Birth == o.Birth || k.Birth == 0 || o.Birth == 0)
}

// Born is the file's birth, or the next best thing: when it was last modified (ns since 1970).
func (k Key) Born(modified int64) time.Time {
	if k.Birth != 0 {
		return time.Unix(0, k.Birth)
	}
	return time.Unix(0, modified)
}

// Stat is what we need to know of a file.
type Stat struct {
	Key
	Mode     fs.FileMode // type bits
	Size     int64
	Modified int64  // last modification of the content, ns since 1970
	Links    uint64 // 0: deleted, and only open descriptors still reach it
}

// Regular says whether it is a regular file.
func (s Stat) Regular() bool { return s.Mode.IsRegular() }

// Born is the file's birth, or the next best thing: its last modification.
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

// StatFile looks at an open file.
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

// fromInfo is Stat from the portable call; the birth time comes from where the system keeps it.
func fromInfo(i fs.FileInfo) Stat {
	s := Stat{Mode: i.Mode(), Size: i.Size(), Modified: i.ModTime().UnixNano()}
	if sys, ok := i.Sys().(*syscall.Stat_t); ok {
		s.Key = Key{Dev: uint64(sys.Dev), Ino: uint64(sys.Ino), Birth: birth(sys)}
		s.Links = uint64(sys.Nlink)
	}
	return s
}

// Open opens path for reading if it is a regular file. A FIFO, a device or a socket that stands at a log's name must
// neither block nor be touched: it is looked at before it is opened, and O_NONBLOCK covers the moment between. A link at
// path itself is refused: whoever follows links has done so.
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

// Mounted says whether the nearest folder at or above dir that exists is on the device.
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
