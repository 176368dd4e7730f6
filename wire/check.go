package wire

import (
	"math"
	"unicode/utf8"
)

// Check validates an untrusted body as an export request and returns it in canonical form. A canonical body is
// returned itself, in one pass without allocation; an irregular one is rewritten into a new slice. The error is
// always an *Error. What Check accepts, pdata decodes to equal values; what pdata refuses, Check refuses; README.md
// lists what only Check refuses.
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

type checker struct {
	body      []byte
	maxItems  int
	items     int
	depth     int  // arrays and maps around the current message
	irregular bool // legal, but not canonical
	at        int  // tag of the field that is refused
	err       error
}

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
						// Fast path for a run of attributes.
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

// rare reads all other tags: unknown fields, numbers above 15, unusual wire types. The returned row says how to
// read the value; the position is negative, with c.err set, for illegal fields.
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

// payload checks body[start:end], the payload of the length-delimited field with its tag at at.
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

// varint reads a varint and notes whether it is longer than needed. The position is negative, with c.err set, if
// there is none.
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
			// Excess bits of the tenth byte are dropped, as in pdata.
			if x == 0 && shift > 0 || shift == 63 && x > 1 {
				c.irregular = true
			}
			return v, pos
		}
	}
	c.err = ErrVarint
	return 0, -1
}

func validText(s []byte) bool {
	return ascii(s) || utf8.Valid(s)
}
