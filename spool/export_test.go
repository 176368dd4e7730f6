package spool

import (
	"hash/crc32"
	"os"
	"testing"
)

// SetVersion changes the format version of a header or a cursor, and its checksum with it.
func SetVersion(b []byte, v uint32) {
	le.PutUint32(b[8:], v)
	n := len(b) - 4 - cursorSums
	if string(b[:8]) == string(headerMagic) {
		n = 60
	}
	le.PutUint32(b[n:], crc32.Checksum(b[:n], castagnoli))
}

// FlipByte flips a byte of a file.
func FlipByte(t *testing.T, name string, off int64) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], off); err != nil {
		t.Fatal(err)
	}
}

// Preallocate is for the comparison with the disk alone.
func (OS) Preallocate(f *os.File, size int64) error { return osFile{f}.Allocate(0, size) }
