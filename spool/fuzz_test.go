package spool

import (
	"bytes"
	"hash/crc32"
	"io"
	"testing"
)

// memory is a file for parsers.
type memory struct {
	File
	*bytes.Reader
}

func (m memory) ReadAt(b []byte, off int64) (int, error) { return m.Reader.ReadAt(b, off) }
func (m memory) Size() (int64, error)                    { return m.Reader.Size(), nil }
func (m memory) Close() error                            { return nil }
func (m memory) WriteAt([]byte, int64) (int, error)      { return 0, io.ErrShortWrite }

// FuzzSegment: any file is read to its end, with numbers that rise and memory that the file bounds.
func FuzzSegment(f *testing.F) {
	h := header{first: 5, gap: 4, created: 1, salt: 99}
	b := make([]byte, dataStart)
	h.encode(b)
	h.encode(b[headerCopy:])
	var total Totals
	for seq := Seq(5); seq < 9; seq++ {
		body := bytes.Repeat([]byte{byte(seq)}, int(seq)*9)
		r := head{seq: seq, headerLen: 3, bodyLen: uint32(len(body)), bodySum: crc32.Checksum(body, castagnoli), count: 2}
		c := make([]byte, r.size())
		copy(c[r.encode(c, seed(h.salt), []byte("abc")):], body)
		b = append(b, c...)
		total.add(r.totals())
	}
	f.Add(b)
	var foot [footerSize]byte
	footer{9, total, h.salt}.encode(foot[:])
	f.Add(append(bytes.Clone(b), foot[:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := memory{Reader: bytes.NewReader(b)}
		s, err := loadHeader(file, int64(len(b)))
		if err != nil {
			return
		}
		closed := s.loadFooter(file, int64(len(b)), maxSeq)
		w := newWalker(file, s.seed, s.hint)
		w.end, w.limit = int64(len(b)), maxSeq
		last, at := Seq(0), int64(0)
		err = w.scan(func(gone loss) {
			if gone.at > gone.until || gone.until > int64(len(b)) || gone.to < gone.from {
				t.Fatalf("%+v of %d bytes", gone, len(b))
			}
		}, func(st step, e Entry) error {
			if st.seq <= last || st.seq < s.first || st.at < at || len(e.Buf) > len(b) {
				t.Fatalf("%+v after %d at %d", st, last, at)
			}
			last, at = st.seq, st.at+st.length()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if closed && s.data > int64(len(b)) {
			t.Fatal(s.data)
		}
	})
}

// FuzzCursor: what is accepted is canonical.
func FuzzCursor(f *testing.F) {
	f.Add((&cursor{next: 9, durable: 8, settled: spans{{0, 3}, {5, 6}}, sent: spans{{3, 8}}}).append(nil))
	f.Add((&cursor{next: 1, durable: 1, settled: spans{{0, 1}}}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		for range 2 { // as it is, and with a checksum that fits
			if c, err := parseCursor(b); err == nil {
				again, err := parseCursor(c.append(nil))
				if err != nil || again.next != c.next || len(again.settled) != len(c.settled) || len(again.sent) != len(c.sent) {
					t.Fatalf("%+v became %+v: %v", c, again, err)
				}
			}
			if len(b) < cursorHead+4 {
				return
			}
			b = bytes.Clone(b)
			copy(b, cursorMagic)
			le.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
		}
	})
}

// FuzzSpans: against a plain set.
func FuzzSpans(f *testing.F) {
	f.Add([]byte{1, 3, 5, 2, 9, 1, 4, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		var s spans
		set := map[Seq]bool{}
		for ; len(b) >= 2; b = b[2:] {
			from, to := Seq(b[0]), Seq(b[0])+Seq(b[1]%9)
			lacks := uint64(0)
			for i := from; i < to; i++ {
				if !set[i] {
					lacks++
				}
			}
			if got := s.lacks(from, to); got != lacks {
				t.Fatalf("%v lacks %d of [%d,%d), not %d", s, lacks, from, to, got)
			}
			switch b[1] >> 6 {
			case 0:
				s.cut(from)
				for i := range set {
					if i < from {
						delete(set, i)
					}
				}
			case 1:
				s.clip(to)
				for i := range set {
					if i >= to {
						delete(set, i)
					}
				}
			default:
				s.add(from, to)
				for i := from; i < to; i++ {
					set[i] = true
				}
			}
			for i := range Seq(300) {
				if s.has(i) != set[i] {
					t.Fatalf("%v, %d", s, i)
				}
			}
			for i := range s {
				if s[i].to <= s[i].from || (i > 0 && s[i].from <= s[i-1].to) {
					t.Fatal(s)
				}
			}
		}
	})
}
