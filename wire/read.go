package wire

import "encoding/binary"

// The reading primitives of canonical bytes. Each takes the position of a value and returns it with the position
// behind it. They do not panic: where bytes end too early (which Check rules out) they return a zero value and a
// position at the end, so that a cursor over damaged bytes stops instead of taking the process with it.

// uvarint reads a varint.
func uvarint(b []byte, pos int) (uint64, int) {
	if pos < len(b) && b[pos] < 0x80 {
		return uint64(b[pos]), pos + 1
	}
	return longUvarint(b, pos)
}

// longUvarint reads a varint of any length.
func longUvarint(b []byte, pos int) (v uint64, end int) {
	for shift := uint(0); pos < len(b) && shift < 64; shift += 7 {
		c := b[pos]
		pos++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, pos
		}
	}
	return 0, len(b)
}

// view reads a length and the bytes it covers.
func view(b []byte, pos int) ([]byte, int) {
	if pos < len(b) {
		if n := int(b[pos]); n < 0x80 && n < len(b)-pos {
			return b[pos+1 : pos+1+n], pos + 1 + n
		}
	}
	return longView(b, pos)
}

// longView is view for lengths of more than one byte.
func longView(b []byte, pos int) ([]byte, int) {
	n, start := longUvarint(b, pos)
	if n > uint64(len(b)-start) {
		return nil, len(b)
	}
	end := start + int(n)
	return b[start:end], end
}

// fixed64 reads eight bytes.
func fixed64(b []byte, pos int) (uint64, int) {
	if len(b)-pos < 8 {
		return 0, len(b)
	}
	return binary.LittleEndian.Uint64(b[pos:]), pos + 8
}

// fixed32 reads four bytes.
func fixed32(b []byte, pos int) (uint32, int) {
	if len(b)-pos < 4 {
		return 0, len(b)
	}
	return binary.LittleEndian.Uint32(b[pos:]), pos + 4
}

// skip returns the position behind the field whose tag is at pos.
func skip(b []byte, pos int) int {
	tag, pos := uvarint(b, pos)
	switch tag & 7 {
	case TypeVarint:
		_, pos = uvarint(b, pos)
	case TypeFixed64:
		_, pos = fixed64(b, pos)
	case TypeBytes:
		_, pos = view(b, pos)
	case TypeFixed32:
		_, pos = fixed32(b, pos)
	default:
		return len(b)
	}
	return pos
}

// zigzag undoes the encoding of a sint32, truncating as pdata does.
func zigzag(v uint64) int32 {
	return int32(uint32(v>>1)) ^ -int32(v&1)
}

// A list walks the length-delimited occurrences of one field of a message and skips everything else. The field has a
// number below 16, so that its tag is one byte.
type list struct {
	b          []byte
	pos        int
	start, end int // of the current body
	tag        byte
}

// next moves to the next occurrence.
func (l *list) next() bool {
	for l.pos < len(l.b) {
		if l.b[l.pos] != l.tag {
			l.pos = skip(l.b, l.pos)
			continue
		}
		body, end := view(l.b, l.pos+1)
		l.start, l.end, l.pos = end-len(body), end, end
		return true
	}
	return false
}

// body returns the bytes of the current occurrence.
func (l *list) body() []byte {
	return l.b[l.start:l.end:l.end]
}

// find returns the body of the only occurrence of a length-delimited field, nil if there is none.
func find(b []byte, field int) []byte {
	l := list{b: b, tag: byte(field<<3 | TypeBytes)}
	if !l.next() {
		return nil
	}
	return l.body()
}
