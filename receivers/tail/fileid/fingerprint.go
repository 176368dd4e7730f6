package fileid

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// FingerprintMax is how many leading bytes identify a file; a shorter file is identified by all its bytes.
const FingerprintMax = 1024

// Fingerprint identifies a file by its first n bytes. The zero value matches every file.
type Fingerprint struct {
	n   int
	sum [16]byte // of SHA-256
}

// FingerprintOf returns the fingerprint for prefix.
func FingerprintOf(prefix []byte) Fingerprint {
	if len(prefix) == 0 {
		return Fingerprint{}
	}
	sum := sha256.Sum256(prefix)
	return Fingerprint{n: len(prefix), sum: [16]byte(sum[:16])}
}

// Matches reports whether prefix, the file's first FingerprintMax bytes, fits.
func (f Fingerprint) Matches(prefix []byte) bool {
	return len(prefix) >= f.n && FingerprintOf(prefix[:f.n]) == f
}

// Known reports whether it covers any content.
func (f Fingerprint) Known() bool { return f.n > 0 }

// Full reports whether it covers FingerprintMax bytes: enough to recognize a copy under any name.
func (f Fingerprint) Full() bool { return f.n == FingerprintMax }

func (f Fingerprint) String() string { return fmt.Sprintf("%d:%s", f.n, hex.EncodeToString(f.sum[:])) }

// ParseFingerprint parses the output of String.
func ParseFingerprint(text string) (f Fingerprint, err error) {
	length, sum, ok := strings.Cut(text, ":")
	n, nerr := strconv.Atoi(length)
	raw, herr := hex.DecodeString(sum)
	if !ok || nerr != nil || herr != nil || len(raw) != len(f.sum) || n < 0 || n > FingerprintMax {
		return f, errors.New("not a fingerprint")
	}
	f.n = n
	copy(f.sum[:], raw)
	return f, nil
}

// ReadPrefix reads the first FingerprintMax bytes, or all there are, into buf.
func ReadPrefix(f io.ReaderAt, buf []byte) ([]byte, error) {
	buf = buf[:FingerprintMax]
	n, err := f.ReadAt(buf, 0)
	if err == io.EOF {
		err = nil
	}
	return buf[:n], err
}

// magics are gzip, zstd, xz, bzip2, lz4 and zip. A question mark matches any byte.
var magics = [...]string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xfd7zXZ\x00", "BZh?1AY&SY", "\x04\x22\x4d\x18", "PK\x03\x04"}

// Compressed reports whether prefix is of a compressed file. maybe: the prefix is too short to tell.
func Compressed(prefix []byte) (yes, maybe bool) {
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
