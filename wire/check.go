package wire

import (
	"math"
	"unicode/utf8"
)

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
	if l.MaxItems <= 0 {
		c.maxItems = math.MaxInt
	}
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
	maxItems  int
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

// message checks body[pos:end] as a message of type m. It is most of the cost of Check.
func (c *checker) message(m message, pos, end int) bool {
	b := c.body[:end]
	rows := &schemas[m]
	var seen uint32
fields:
	for pos < len(b) {
		at, tag := pos, b[pos]
		f := rows[tag>>3]
		if tag < 0x80 && tag&7+1 == f.wire() {
			pos++
		} else if f, pos = c.rare(m, at, end); pos < 0 {
			return c.fail(at, c.err)
		}
		bit := uint32(1) << (f.slot() & 31) &^ 1
		if seen&bit != 0 {
			c.irregular = true
		}
		seen |= bit
		switch f.kind() {
		case kindVarint:
			if pos < len(b) && b[pos] < 0x80 {
				pos++
			} else if _, pos = c.varint(b, pos); pos < 0 {
				return c.fail(at, c.err)
			}
		case kindFixed64:
			if pos += 8; pos > len(b) {
				return c.fail(at, ErrTruncated)
			}
		case kindFixed32:
			if pos += 4; pos > len(b) {
				return c.fail(at, ErrTruncated)
			}
		default:
			n := uint64(0)
			if pos < len(b) && b[pos] < 0x80 {
				n = uint64(b[pos])
				pos++
			} else if n, pos = c.varint(b, pos); pos < 0 {
				return c.fail(at, c.err)
			}
			if n > uint64(len(b)-pos) {
				return c.fail(at, ErrTruncated)
			}
			start := pos
			pos += int(n)
			switch f.kind() {
			case kindMessage:
				if f.sub() == msgKeyValue {
					for plainKeyValue(b[start:pos]) {
						// Attributes stand in a row. What is not the next of them is left to the loop around.
						if pos+1 >= len(b) || b[pos] != tag || tag|b[pos+1] >= 0x80 || int(b[pos+1]) > len(b)-pos-2 {
							continue fields
						}
						at, start = pos, pos+2
						pos = start + int(b[pos+1])
					}
				} else if f.sub() == msgValue && plainText(b[start:pos]) {
					continue
				}
				if !c.message(f.sub(), start, pos) {
					return false
				}
			case kindString:
				if !validText(b[start:pos]) {
					c.irregular = true
				}
			default:
				if !c.payload(f, at, start, pos) {
					return false
				}
			}
		}
	}
	return true
}

// rare reads the tag of every field that is not a known one below 16 with its canonical wire type. The row it
// returns says how the value is to be read; the position is negative, with c.err set, for what is illegal.
func (c *checker) rare(m message, at, end int) (field, int) {
	tag, pos := c.varint(c.body[:end], at)
	if pos < 0 {
		return 0, -1
	}
	num, wire := tag>>3, uint8(tag&7)
	if num-1 >= 1<<29-1 {
		c.err = ErrFieldNumber
		return 0, -1
	}
	f := field(0)
	if num < slots {
		f = schemas[m][num]
	} else if num == deprecatedScope && scopeOf(m) != msgNone {
		f = many(scopeOf(m))
		c.irregular = true
	}
	switch {
	case f.kind() == kindUnknown || wire == 3 || wire == 4:
	case f.wire() == wire+1:
		return f, pos
	case f.kind() == kindPackedFixed && wire == TypeFixed64 || f.kind() == kindPackedVarint && wire == TypeVarint:
		c.irregular = true // an element of a packed field on its own
	default:
		c.err = ErrWireType
		return f, -1
	}
	switch wire {
	case TypeVarint:
		return field(kindVarint), pos
	case TypeFixed64:
		return field(kindFixed64), pos
	case TypeBytes:
		return field(kindBytes), pos
	case TypeFixed32:
		return field(kindFixed32), pos
	case 3, 4:
		c.err = ErrGroup
	default:
		c.err = ErrWireType
	}
	return 0, -1
}

// payload checks body[start:end], the payload of the length-delimited field whose tag is at.
func (c *checker) payload(f field, at, start, end int) bool {
	n := end - start
	switch f.kind() {
	case kindItem:
		if c.items++; c.items > c.maxItems {
			return c.fail(at, ErrTooManyItems)
		}
		return c.message(f.sub(), start, end)
	case kindMember:
		if f.sub() != msgArray && f.sub() != msgMap {
			return c.message(f.sub(), start, end)
		}
		if c.depth == MaxDepth {
			return c.fail(at, ErrTooDeep)
		}
		c.depth++
		ok := c.message(f.sub(), start, end)
		c.depth--
		return ok
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
func (c *checker) varint(b []byte, pos int) (v uint64, end int) {
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
			if x == 0 && shift > 0 || shift == 63 && x > 1 {
				c.irregular = true
			}
			return v, pos
		}
	}
	c.err = ErrVarint
	return 0, -1
}

// validText reports whether s is valid UTF-8.
func validText(s []byte) bool {
	return ascii(s) || utf8.Valid(s)
}
