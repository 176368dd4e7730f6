//go:build !linux

package tail

import "os"

// statx is not there: no birth times.
func statx(string, *os.File) (stat, bool, error) { return stat{}, false, nil }
