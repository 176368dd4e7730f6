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

// FingerprintMax is how much of a file's beginning is looked at to know it again. A shorter file is known by what
// it has, and by more as it grows.
const FingerprintMax = 1024

// Fingerprint knows a file by its first n bytes. The zero value knows nothing and matches everything: it is that of
// an empty file.
type Fingerprint struct {
	n   int
	sum [16]byte // of SHA-256
}

// FingerprintOf is the fingerprint of a file that begins with prefix.
func FingerprintOf(prefix []byte) Fingerprint {
	if len(prefix) == 0 {
		return Fingerprint{}
	}
	sum := sha256.Sum256(prefix)
	return Fingerprint{n: len(prefix), sum: [16]byte(sum[:16])}
}

// Matches says whether a file that begins with prefix (its first FingerprintMax bytes, or all it has) can be the
// file of the fingerprint.
func (f Fingerprint) Matches(prefix []byte) bool {
	return len(prefix) >= f.n && FingerprintOf(prefix[:f.n]) == f
}

// Known says whether it knows anything of the file's content.
func (f Fingerprint) Known() bool { return f.n > 0 }

// Full says whether it knows as much of the content as a fingerprint can: enough to tell a copy by it, whatever its name.
func (f Fingerprint) Full() bool { return f.n == FingerprintMax }

func (f Fingerprint) String() string { return fmt.Sprintf("%d:%s", f.n, hex.EncodeToString(f.sum[:])) }

// ParseFingerprint reads what String wrote.
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

// ReadPrefix reads the first FingerprintMax bytes into buf, or all there is.
func ReadPrefix(f io.ReaderAt, buf []byte) ([]byte, error) {
	buf = buf[:FingerprintMax]
	n, err := f.ReadAt(buf, 0)
	if err == io.EOF {
		err = nil
	}
	return buf[:n], err
}

// magics are the first bytes of the formats that rotated logs are packed in: gzip, zstd, xz, bzip2, lz4, zip. A
// question mark stands for any byte.
var magics = [...]string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xfd7zXZ\x00", "BZh?1AY&SY", "\x04\x22\x4d\x18", "PK\x03\x04"}

// Compressed says whether a file that begins with prefix is compressed and must not be read as text. maybe means that
// the prefix is too short to tell.
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
