package fileid

import "os"

// NextData is where the next bytes at or after a place are that the file system holds: what is before them is a hole, which
// reads as NUL bytes. It answers the place itself where the system does not know, and end where there is nothing more.
func NextData(f *os.File, place, end int64) int64 {
	conn, err := f.SyscallConn()
	if err != nil {
		return place
	}
	next := place
	if conn.Control(func(fd uintptr) { next = seekData(int(fd), place, end) }) != nil {
		return place
	}
	return min(max(next, place), end)
}
