//go:build unix && !linux && !darwin

package fileid

import (
	"os"
	"syscall"
)

// statx exists only on Linux.
func statx(string, *os.File) (Stat, bool, error) { return Stat{}, false, nil }

// birth is unknown: only fingerprints tell reused inodes apart.
func birth(*syscall.Stat_t) int64 { return 0 }
