package tail

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

var errNotRegular = errors.New("not a regular file")

// fingerprintMax is how much of a file's beginning is looked at to know it again. A shorter file is known by what
// it has, and by more as it grows.
const fingerprintMax = 1024

// fingerprint knows a file by its first n bytes. The zero value knows nothing and matches everything: it is that of
// an empty file.
type fingerprint struct {
	n   int
	sum [16]byte // of SHA-256
}

// fingerprintOf is the fingerprint of a file that begins with prefix.
func fingerprintOf(prefix []byte) fingerprint {
	if len(prefix) == 0 {
		return fingerprint{}
	}
	sum := sha256.Sum256(prefix)
	return fingerprint{n: len(prefix), sum: [16]byte(sum[:16])}
}

// matches says whether a file that begins with prefix (its first fingerprintMax bytes, or all it has) can be the
// file of the fingerprint.
func (f fingerprint) matches(prefix []byte) bool {
	return len(prefix) >= f.n && fingerprintOf(prefix[:f.n]) == f
}

func (f fingerprint) String() string { return fmt.Sprintf("%d:%s", f.n, hex.EncodeToString(f.sum[:])) }

// readPrefix reads the first fingerprintMax bytes into buf, or all there is.
func readPrefix(f io.ReaderAt, buf []byte) ([]byte, error) {
	buf = buf[:fingerprintMax]
	n, err := f.ReadAt(buf, 0)
	if err == io.EOF {
		err = nil
	}
	return buf[:n], err
}

// magics are the first bytes of the formats that rotated logs are packed in: gzip, zstd, xz, bzip2, lz4, zip. A
// question mark stands for any byte.
var magics = [...]string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xfd7zXZ\x00", "BZh?1AY&SY", "\x04\x22\x4d\x18", "PK\x03\x04"}

// packed says whether a file that begins with prefix is compressed and must not be read as text. maybe means that
// the prefix is too short to tell.
func packed(prefix []byte) (yes, maybe bool) {
	for _, m := range magics {
		n := 0
		for n < len(m) && n < len(prefix) && (m[n] == '?' || m[n] == prefix[n]) {
			n++
		}
		switch {
		case n == len(m):
			return true, false
		case n > 0 && n == len(prefix):
			maybe = true
		}
	}
	return false, maybe
}
