package wire

import "unicode/utf8"

// Check validates a body from outside as an export request of the signal and returns it in canonical form. A body that
// is canonical already is returned as it is, in one pass and without allocation; an irregular one is rewritten into a
// new slice. The error is always an *Error. Relation to pdata: what Check accepts pdata decodes, with equal
// values; what pdata refuses Check refuses; README.md lists what only Check refuses.
func Check(s Signal, body []byte, l Limits) (Request, Info, error) {
	m, ok := root(s)
	if !ok {
		return nil, Info{}, &Error{Signal: s, Err: ErrSignal}
	}
	if l.MaxBytes > 0 && len(body) > l.MaxBytes {
		return nil, Info{}, &Error{Signal: s, Offset: l.MaxBytes, Err: ErrTooLarge}
	}
	c := checker{body: body, maxItems: l.MaxItems}
	if !c.message(m, 0, len(body)) {
		return nil, Info{}, &Error{Signal: s, Path: locate(m, body, c.at), Offset: c.at, Err: c.err}
	}
	if !c.irregular {
		return body, Info{Items: c.items}, nil
	}
	r, repaired := canonical(m, body)
	return r, Info{Items: Count(s, r), RepairedStrings: repaired, Canonicalized: true}, nil
}

// A checker is the state of one pass over a body.
type checker struct {
	body      []byte
	maxItems  int // 0: no limit
	items     int
	depth     int  // arrays and maps around the current message
	irregular bool // legal, but not canonical
	at        int  // tag of the field that is refused
	err       error
}

// fail records the first fault.
func (c *checker) fail(at int, err error) bool {
	c.at, c.err = at, err
	return false
}

// message checks body[pos:end] as a message of type m.
func (c *checker) message(m message, pos, end int) bool {
	b := c.body[:end]
	fields := &schemas[m]
	var seen uint32
	for pos < len(b) {
		at := pos
		tag := uint64(b[pos])
		pos++
		f := field{wire: 0xff}
		if tag < 0x80 {
			f = fields[uint8(tag)>>3]
		} else {
			if tag, pos = c.varint(b, at); pos < 0 {
				return c.fail(at, c.err)
			}
			if num := tag >> 3; num < slots {
				f = fields[num]
			} else if num == deprecatedScope && scopeOf(m) != msgNone {
				f = many(scopeOf(m))
				c.irregular = true
			}
		}
		if tag>>3-1 >= 1<<29-1 {
			return c.fail(at, ErrFieldNumber)
		}
		wire := uint8(tag & 7)
		if f.kind == kindUnknown || wire != f.wire {
			if f.kind != kindUnknown && !c.unpacked(f, wire) {
				return c.fail(at, ErrWireType)
			}
			f = field{}
		}
		bit := uint32(1) << (f.slot & 31) &^ 1
		if seen&bit != 0 {
			c.irregular = true
		}
		seen |= bit
		switch wire {
		case TypeVarint:
			if _, pos = c.varint(b, pos); pos < 0 {
				return c.fail(at, c.err)
			}
		case TypeFixed64:
			if pos += 8; pos > len(b) {
				return c.fail(at, ErrTruncated)
			}
		case TypeFixed32:
			if pos += 4; pos > len(b) {
				return c.fail(at, ErrTruncated)
			}
		case TypeBytes:
			n, start := c.varint(b, pos)
			if start < 0 {
				return c.fail(at, c.err)
			}
			if n > uint64(len(b)-start) {
				return c.fail(at, ErrTruncated)
			}
			pos = start + int(n)
			if f.kind != kindUnknown && !c.payload(f, at, start, pos) {
				return false
			}
		case 3, 4:
			return c.fail(at, ErrGroup)
		default:
			return c.fail(at, ErrWireType)
		}
	}
	return true
}

// unpacked reports whether the wire type is that of one element of a packed field, which is legal.
func (c *checker) unpacked(f field, wire uint8) bool {
	if f.kind == kindPackedFixed && wire == TypeFixed64 || f.kind == kindPackedVarint && wire == TypeVarint {
		c.irregular = true
		return true
	}
	return false
}

// payload checks body[start:end], the length-delimited payload of the field whose tag is at.
func (c *checker) payload(f field, at, start, end int) bool {
	n := end - start
	switch f.kind {
	case kindItem:
		if c.items++; c.items > c.maxItems && c.maxItems > 0 {
			return c.fail(at, ErrTooManyItems)
		}
		return c.message(f.sub, start, end)
	case kindMessage:
		return c.message(f.sub, start, end)
	case kindMember:
		if f.sub != msgArray && f.sub != msgMap {
			return c.message(f.sub, start, end)
		}
		if c.depth == MaxDepth {
			return c.fail(at, ErrTooDeep)
		}
		c.depth++
		ok := c.message(f.sub, start, end)
		c.depth--
		return ok
	case kindString:
		if !utf8.Valid(c.body[start:end]) {
			c.irregular = true
		}
	case kindTraceID:
		if n != 16 && n != 0 {
			return c.fail(at, ErrIDLength)
		}
	case kindSpanID:
		if n != 8 && n != 0 {
			return c.fail(at, ErrIDLength)
		}
	case kindPackedFixed:
		if n%8 != 0 {
			return c.fail(at, ErrPackedLength)
		}
	case kindPackedVarint:
		for start < end {
			if _, start = c.varint(c.body[:end], start); start < 0 {
				return c.fail(at, c.err)
			}
		}
	}
	return true
}

// varint reads a varint and notes whether it is longer than it need be. The position is negative if there is none,
// and c.err says why.
func (c *checker) varint(b []byte, pos int) (uint64, int) {
	if pos < len(b) && b[pos] < 0x80 {
		return uint64(b[pos]), pos + 1
	}
	return c.longVarint(b, pos)
}

// longVarint is varint for more than one byte.
func (c *checker) longVarint(b []byte, pos int) (v uint64, end int) {
	for shift := uint(0); shift < 64; shift += 7 {
		if pos >= len(b) {
			c.err = ErrTruncated
			return 0, -1
		}
		x := b[pos]
		pos++
		v |= uint64(x&0x7f) << shift
		if x < 0x80 {
			// The tenth byte holds one bit; what is above it is cut off, as in pdata.
			if x == 0 || shift == 63 && x > 1 {
				c.irregular = true
			}
			return v, pos
		}
	}
	c.err = ErrVarint
	return 0, -1
}
