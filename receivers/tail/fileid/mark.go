package fileid

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// MarkMax is how much of what stands before a place in a file is looked at to know the place again.
const MarkMax = 256

// Mark knows a place in a file by the n bytes before it: a file that was truncated and has grown past the place has others
// there, and a copy has the same. The zero value knows nothing and matches everything.
type Mark struct {
	end int64
	n   int
	sum [16]byte // of SHA-256
}

// MarkOf is the mark of the place end, before which b stands.
func MarkOf(end int64, b []byte) Mark {
	b = b[max(0, len(b)-MarkMax):]
	if len(b) == 0 {
		return Mark{}
	}
	sum := sha256.Sum256(b)
	return Mark{end: end, n: len(b), sum: [16]byte(sum[:16])}
}

// End is the place in bytes from the file's beginning; 0 where nothing is known.
func (m Mark) End() int64 { return m.end }

// Matches says whether the file has the mark's bytes at its place. A file that cannot be read there has not.
func (m Mark) Matches(f io.ReaderAt) bool {
	_, ok := m.Read(f)
	return ok
}

// Read is the bytes of the mark, if the file has them.
func (m Mark) Read(f io.ReaderAt) (b []byte, ok bool) {
	if m.n == 0 {
		return nil, true
	}
	var buf [MarkMax]byte
	n, _ := f.ReadAt(buf[:m.n], m.end-int64(m.n))
	if n < m.n || MarkOf(m.end, buf[:n]) != m {
		return nil, false
	}
	return buf[:n], true
}

func (m Mark) String() string {
	return fmt.Sprintf("%d:%d:%s", m.end, m.n, hex.EncodeToString(m.sum[:]))
}

// ParseMark reads what String wrote.
func ParseMark(text string) (m Mark, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return m, errors.New("not a mark")
	}
	end, eerr := strconv.ParseInt(parts[0], 10, 64)
	n, nerr := strconv.Atoi(parts[1])
	raw, herr := hex.DecodeString(parts[2])
	if eerr != nil || nerr != nil || herr != nil || len(raw) != len(m.sum) || n < 0 || n > MarkMax || end < int64(n) {
		return m, errors.New("not a mark")
	}
	m.end, m.n = end, n
	copy(m.sum[:], raw)
	return m, nil
}

// Begins says whether all of a, which is size bytes long, stands at the beginning of b too, as far as its first and its
// last bytes tell: a is a copy of b, perhaps one that is still being made.
func Begins(a, b io.ReaderAt, size int64) bool {
	same := func(from, n int64) bool {
		var x, y [FingerprintMax]byte
		nx, _ := a.ReadAt(x[:n], from)
		ny, _ := b.ReadAt(y[:n], from)
		return int64(nx) == n && int64(ny) == n && bytes.Equal(x[:n], y[:n])
	}
	n := min(size, FingerprintMax)
	return same(0, n) && same(size-n, n)
}

// Trail is the last bytes that were read of a file, as far as they are known. Its zero value knows nothing.
type Trail struct {
	mark Mark // while there are no bytes
	end  int64
	b    []byte
}

// TrailOf knows a mark.
func TrailOf(m Mark) Trail { return Trail{mark: m} }

// Add notes that b was read at a place.
func (t *Trail) Add(at int64, b []byte) {
	if over := len(b) - MarkMax; over > 0 {
		at, b = at+int64(over), b[over:]
	}
	if at != t.end {
		t.b = t.b[:0]
	}
	if over := len(t.b) + len(b) - MarkMax; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	t.b = append(t.b, b...)
	t.end = at + int64(len(b))
}

// Mark is the mark of its end.
func (t *Trail) Mark() Mark {
	if len(t.b) == 0 {
		return t.mark
	}
	return MarkOf(t.end, t.b)
}

// Stands says whether the file still has the bytes.
func (t *Trail) Stands(f io.ReaderAt) bool {
	if len(t.b) == 0 {
		b, ok := t.mark.Read(f)
		if ok && len(b) > 0 {
			t.b, t.end = b, t.mark.end
		}
		return ok
	}
	var buf [MarkMax]byte
	n, _ := f.ReadAt(buf[:len(t.b)], t.end-int64(len(t.b)))
	return bytes.Equal(buf[:n], t.b)
}

// Rest gives the bytes back and keeps their mark.
func (t *Trail) Rest() { *t = TrailOf(t.Mark()) }
