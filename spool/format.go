package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// FORMAT.md says what these are, and why.
const (
	version    = 2
	headerSize = 64
	headerCopy = 512  // where the second copy of the header stands, in a sector of its own
	dataStart  = 1024 // where the first record stands
	sumsAt     = 64   // where the sums stand, behind either copy of the header
	sumsSize   = 64
	lowAt      = 128 // where a segment says that all below it is settled
	lowSize    = 24
	headSize   = 56
	footerSize = 64

	// MaxHeader and MaxBody are the most bytes that a record may have of each.
	MaxHeader = 64 << 10
	MaxBody   = 1 << 30
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	headerMagic = []byte("SLUICSEG")
	footerMagic = []byte("SLUICEND")
	cursorMagic = []byte("SLUICCUR")
	sumsMagic   = []byte("SLUICSUM")
	lowMagic    = []byte("SLUICLOW")
	mark        = []byte{0xf1, 0x9c, 'r', 'e', 'c', 0xc5, 0x0d, 0xe7}
)

// A Seq numbers the records of a log, from 1. It never goes back and is never used twice for records that were durable.
type Seq uint64

func seed(salt uint64) uint32 {
	var b [8]byte
	le.PutUint64(b[:], salt)
	return crc32.Checksum(b[:], castagnoli)
}

// A header begins a segment. No durable record has a number in [gap, first).
type header struct {
	first, gap Seq
	created    int64
	salt       uint64
}

func (h header) encode(b []byte) {
	clear(b[:headerSize])
	copy(b, headerMagic)
	le.PutUint32(b[8:], version)
	le.PutUint64(b[16:], uint64(h.first))
	le.PutUint64(b[24:], uint64(h.gap))
	le.PutUint64(b[32:], uint64(h.created))
	le.PutUint64(b[40:], h.salt)
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

// findHeader looks for a whole header in the first bytes of a segment: either copy, wherever damage has moved it. at is where the
// search for records begins.
func findHeader(b []byte) (h header, at int64, err error) {
	for i := 0; ; i++ {
		n := bytes.Index(b[i:], headerMagic)
		if n < 0 {
			return header{}, 0, errDamaged
		}
		i += n
		if len(b)-i < headerSize {
			return header{}, 0, errDamaged
		}
		c := b[i : i+headerSize]
		if crc32.Checksum(c[:60], castagnoli) != le.Uint32(c[60:]) {
			continue
		}
		if v := le.Uint32(c[8:]); v != version {
			return header{}, 0, &VersionError{Version: v}
		}
		h = header{Seq(le.Uint64(c[16:])), Seq(le.Uint64(c[24:])), int64(le.Uint64(c[32:])), le.Uint64(c[40:])}
		if h.first == 0 || h.gap > h.first || h.first > maxSeq {
			return header{}, 0, errDamaged
		}
		at = int64(i) + headerSize
		if i == 0 || i == headerCopy {
			at = dataStart
		}
		return h, at, nil
	}
}

// appendTotals and parseTotals are four numbers.
func appendTotals(b []byte, t Totals) []byte {
	for _, n := range []uint64{t.Records, t.Count, t.Bytes, t.Weight} {
		b = le.AppendUint64(b, n)
	}
	return b
}

func parseTotals(b []byte) Totals {
	return Totals{le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:])}
}

// encodeSums is what was written to the log before the segment.
func (h header) encodeSums(b []byte, before Totals) {
	clear(b[:sumsSize])
	copy(b, sumsMagic)
	le.PutUint64(b[8:], h.salt)
	appendTotals(b[:16], before)
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

// findSums reads either copy. Programs of before wrote none.
func (h header) findSums(b []byte) (before Totals, ok bool) {
	for _, at := range []int{sumsAt, headerCopy + sumsAt} {
		if len(b) < at+sumsSize {
			break
		}
		c := b[at:][:sumsSize]
		if bytes.Equal(c[:8], sumsMagic) && le.Uint64(c[8:]) == h.salt && crc32.Checksum(c[:60], castagnoli) == le.Uint32(c[60:]) {
			return parseTotals(c[16:]), true
		}
	}
	return Totals{}, false
}

// encodeLow is the note that all below the segment is settled.
func (h header) encodeLow() []byte {
	b := append(make([]byte, 0, lowSize), lowMagic...)
	b = le.AppendUint32(le.AppendUint64(b, h.salt), 0)
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func (h header) hasLow(b []byte) bool {
	return len(b) >= lowAt+lowSize && bytes.Equal(b[lowAt:][:lowSize], h.encodeLow())
}

// maxSeq leaves room for sums of sequence numbers.
const maxSeq = Seq(1) << 62

// A head begins a record. undurable is how many records before it were not yet durable when it was written.
type head struct {
	seq                Seq
	time               int64
	count              uint32
	headerLen, bodyLen uint32
	bodySum            uint32
	undurable          uint32
	weight             uint64
}

// length is what the record takes without padding, size with it.
func (h head) length() int64  { return headSize + int64(h.headerLen) + int64(h.bodyLen) }
func (h head) size() int64    { return (h.length() + 7) &^ 7 }
func (h head) totals() Totals { return Totals{1, uint64(h.count), uint64(h.size()), h.weight} }

// encode writes head and header into b and returns how many bytes that is.
func (h head) encode(b []byte, seed uint32, hdr []byte) int {
	copy(b, mark)
	le.PutUint32(b[12:], h.headerLen)
	le.PutUint32(b[16:], h.bodyLen)
	le.PutUint32(b[20:], h.count)
	le.PutUint64(b[24:], uint64(h.seq))
	le.PutUint64(b[32:], uint64(h.time))
	le.PutUint32(b[40:], h.bodySum)
	le.PutUint32(b[44:], h.undurable)
	le.PutUint64(b[48:], h.weight)
	n := headSize + copy(b[headSize:], hdr)
	le.PutUint32(b[8:], crc32.Update(seed, castagnoli, b[12:n]))
	return n
}

// parseHead reads the fixed part of a head; whether it is whole, headSum tells with the header behind it.
func parseHead(b []byte) (h head, ok bool) {
	if !bytes.Equal(b[:8], mark) {
		return head{}, false
	}
	h = head{
		headerLen: le.Uint32(b[12:]), bodyLen: le.Uint32(b[16:]), count: le.Uint32(b[20:]),
		seq: Seq(le.Uint64(b[24:])), time: int64(le.Uint64(b[32:])), bodySum: le.Uint32(b[40:]), undurable: le.Uint32(b[44:]), weight: le.Uint64(b[48:]),
	}
	return h, h.headerLen <= MaxHeader && h.bodyLen <= MaxBody
}

func headSum(b []byte, seed uint32) bool {
	return crc32.Update(seed, castagnoli, b[12:]) == le.Uint32(b[8:])
}

// A footer ends a closed segment. It is written when all that it sums up is durable.
type footer struct {
	end   Seq
	total Totals // of whole records; end-first-total.Records were lost before it was closed
	salt  uint64
}

func (f footer) encode(b []byte) {
	clear(b[:footerSize])
	copy(b, footerMagic)
	le.PutUint64(b[8:], f.total.Weight)
	le.PutUint64(b[16:], uint64(f.end))
	le.PutUint64(b[24:], f.total.Records)
	le.PutUint64(b[32:], f.total.Count)
	le.PutUint64(b[40:], f.total.Bytes)
	le.PutUint64(b[48:], f.salt)
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

func parseFooter(b []byte, h header) (f footer, ok bool) {
	if !bytes.Equal(b[:8], footerMagic) || crc32.Checksum(b[:60], castagnoli) != le.Uint32(b[60:]) {
		return footer{}, false
	}
	f = footer{Seq(le.Uint64(b[16:])), Totals{le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[8:])}, le.Uint64(b[48:])}
	return f, f.salt == h.salt && f.end >= h.first && f.end <= maxSeq && f.total.Records <= uint64(f.end-h.first)
}

func segmentName(first Seq) string { return fmt.Sprintf("%016x.seg", uint64(first)) }

// parseName is the sequence number in a segment's name.
func parseName(name string) (Seq, bool) {
	digits, ok := strings.CutSuffix(name, ".seg")
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return Seq(n), err == nil && n > 0 && Seq(n) < maxSeq && segmentName(Seq(n)) == name
}
