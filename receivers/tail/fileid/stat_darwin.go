package fileid

import (
	"os"
	"syscall"
)

// statx does not exist on macOS; the portable call returns everything.
func statx(string, *os.File) (Stat, bool, error) { return Stat{}, false, nil }

// birth is always kept by APFS and HFS+. A modification time set before it (touch -t, cp -p, rsync) moves it: the file then
// counts as new and is read from the beginning.
func birth(s *syscall.Stat_t) int64 { return s.Birthtimespec.Nano() }
