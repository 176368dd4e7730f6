package fileid

import "os"

// NextData returns the first offset from place that is not in a hole (holes read as NUL bytes): place if the system cannot
// tell, end if no data follows.
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
