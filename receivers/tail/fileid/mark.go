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

// MarkMax is how many bytes before a place identify it.
const MarkMax = 256

// Mark identifies a place in a file by the n bytes before it: they differ after truncation and rewriting, and are equal in a
// copy. The zero value matches everything.
type Mark struct {
	end int64
	n   int
	sum [16]byte // of SHA-256
}

// MarkOf returns the mark of offset end; b are the bytes before it.
func MarkOf(end int64, b []byte) Mark {
	b = b[max(0, len(b)-MarkMax):]
	if len(b) == 0 {
		return Mark{}
	}
	sum := sha256.Sum256(b)
	return Mark{end: end, n: len(b), sum: [16]byte(sum[:16])}
}

// End returns the offset; 0 if unknown.
func (m Mark) End() int64 { return m.end }

// Matches reports whether the file has the mark's bytes.
func (m Mark) Matches(f io.ReaderAt) bool {
	_, ok := m.Read(f)
	return ok
}

// Read returns the mark's bytes if the file has them.
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

// ParseMark parses the output of String.
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

// Begins reports whether a, of size bytes, is a copy of the beginning of b, perhaps unfinished, judged by a's first and last
// bytes.
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

// Trail holds the last bytes read of a file.
type Trail struct {
	mark Mark // while there are no bytes
	end  int64
	b    []byte
}

// TrailOf returns a Trail with only a mark.
func TrailOf(m Mark) Trail { return Trail{mark: m} }

// Add records that b was read at offset at.
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

// Mark returns the mark of the trail's end.
func (t *Trail) Mark() Mark {
	if len(t.b) == 0 {
		return t.mark
	}
	return MarkOf(t.end, t.b)
}

// Stands reports whether the file still has the bytes.
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

// Rest frees the bytes and keeps their mark.
func (t *Trail) Rest() { *t = TrailOf(t.Mark()) }
