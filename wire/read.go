package wire

import "encoding/binary"

// Reading primitives for canonical bytes. Each returns the position after the value. On truncated bytes, which
// Check rules out, they return zero and the end position instead of panicking.

func uvarint(b []byte, pos int) (uint64, int) {
	if pos < len(b) && b[pos] < 0x80 {
		return uint64(b[pos]), pos + 1
	}
	return longUvarint(b, pos)
}

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

// short reads a one-byte length, which nearly all are, and returns the bounds of its bytes. If end is 0, call long.
func short(b []byte, pos int) (start, end int) {
	if pos >= len(b) || b[pos] >= 0x80 {
		return 0, 0
	}
	start = pos + 1
	if end = start + int(b[pos]); end > len(b) {
		return 0, 0
	}
	return start, end
}

// long reads a length of any size and returns the bounds of its bytes.
func long(b []byte, pos int) (start, end int) {
	var n uint64
	if pos+1 < len(b) && b[pos+1] < 0x80 && b[pos] >= 0x80 {
		n, start = uint64(b[pos]&0x7f)|uint64(b[pos+1])<<7, pos+2
	} else {
		n, start = longUvarint(b, pos)
	}
	if n > uint64(len(b)-start) {
		return len(b), len(b)
	}
	return start, start + int(n)
}

func view(b []byte, pos int) ([]byte, int) {
	start, end := short(b, pos)
	if end == 0 {
		start, end = long(b, pos)
	}
	return b[start:end:end], end
}

func fixed64(b []byte, pos int) (uint64, int) {
	if len(b)-pos < 8 {
		return 0, len(b)
	}
	return binary.LittleEndian.Uint64(b[pos:]), pos + 8
}

func fixed32(b []byte, pos int) (uint32, int) {
	if len(b)-pos < 4 {
		return 0, len(b)
	}
	return binary.LittleEndian.Uint32(b[pos:]), pos + 4
}

// skip returns the position after the field at pos.
func skip(b []byte, pos int) int {
	if pos+1 < len(b) && b[pos] < 0x80 {
		switch b[pos] & 7 {
		case TypeVarint:
			if b[pos+1] < 0x80 {
				return pos + 2
			}
		case TypeFixed64:
			if pos+9 <= len(b) {
				return pos + 9
			}
		case TypeBytes:
			if end := pos + 2 + int(b[pos+1]); b[pos+1] < 0x80 && end <= len(b) {
				return end
			}
		}
	}
	return longSkip(b, pos)
}

func longSkip(b []byte, pos int) int {
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

// A run is the part of a message with all occurrences of a repeated field.
type run struct{ first, end int }

// add widens the run. No field ends at 0, so the zero run is empty.
func (r *run) add(at, end int) {
	if r.end == 0 {
		r.first = at
	}
	r.end = end
}

func (r *run) of(b []byte) []byte { return b[r.first:r.end] }

// zigzag decodes a sint32, truncating as pdata does.
func zigzag(v uint64) int32 {
	return int32(uint32(v>>1)) ^ -int32(v&1)
}

// A list walks the occurrences of one length-delimited field. Its number is below 16, so that the tag is one byte.
type list struct {
	b     []byte
	pos   int // behind the current occurrence
	start int // of its body
	tag   byte
}

func (l *list) next() bool {
	for l.pos < len(l.b) {
		if l.b[l.pos] != l.tag {
			l.pos = skip(l.b, l.pos)
			continue
		}
		start, end := short(l.b, l.pos+1)
		if end == 0 {
			start, end = long(l.b, l.pos+1)
		}
		l.start, l.pos = start, end
		return true
	}
	return false
}

func (l *list) body() []byte {
	return l.b[l.start:l.pos:l.pos]
}

// find returns a singular length-delimited field, or nil.
func find(b []byte, field int) []byte {
	l := list{b: b, tag: byte(field<<3 | TypeBytes)}
	if !l.next() {
		return nil
	}
	return l.body()
}
