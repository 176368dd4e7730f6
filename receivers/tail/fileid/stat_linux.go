package fileid

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// statx returns birth times. ok is false if the kernel or a seccomp profile lacks it.
func statx(path string, f *os.File) (s Stat, ok bool, err error) {
	const want = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_INO | unix.STATX_SIZE | unix.STATX_MTIME | unix.STATX_NLINK | unix.STATX_BTIME | unix.STATX_CTIME
	var x unix.Statx_t
	if f != nil {
		conn, cerr := f.SyscallConn()
		if cerr != nil {
			return s, true, cerr
		}
		if cerr := conn.Control(func(fd uintptr) { err = unix.Statx(int(fd), "", unix.AT_EMPTY_PATH, want, &x) }); cerr != nil {
			return s, true, cerr
		}
	} else {
		err = unix.Statx(unix.AT_FDCWD, path, 0, want, &x)
	}
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return s, false, nil
	}
	if err != nil {
		return s, true, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	s = Stat{
		Key:      Key{Dev: unix.Mkdev(x.Dev_major, x.Dev_minor), Ino: x.Ino},
		Mode:     modeOf(x.Mode),
		Size:     int64(x.Size),
		Modified: nanos(x.Mtime),
		Links:    uint64(x.Nlink),
		Changed:  nanos(x.Ctime),
	}
	if x.Mask&unix.STATX_BTIME != 0 {
		s.Birth = nanos(x.Btime)
	}
	return s, true, nil
}

func nanos(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

func modeOf(m uint16) fs.FileMode {
	switch m & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	}
	return fs.ModeIrregular
}

// birth is only available through statx.
func birth(*syscall.Stat_t) int64 { return 0 }
