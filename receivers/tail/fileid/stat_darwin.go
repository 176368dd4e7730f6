package fileid

import (
	"os"
	"syscall"
)

// statx does not exist on macOS; the portable call returns everything.
func statx(string, *os.File) (Stat, bool, error) { return Stat{}, false, nil }

// birth is always kept by APFS and HFS+. Setting a modification time before it (touch -t, cp -p, rsync) moves it there too:
// such a file is taken for a new one and read from the beginning.
func birth(s *syscall.Stat_t) int64 { return s.Birthtimespec.Nano() }
