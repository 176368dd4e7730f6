package wire

import (
	"bytes"
	"math"
	"unicode/utf8"
)

// canonical rewrites a checked body into canonical form and returns the number of repaired strings. The result is
// at most three times as long (an invalid byte becomes a U+FFFD of three bytes).
func canonical(m message, body []byte) (Request, int) {
	w := rewriter{}
	out := w.message(make([]byte, 0, len(body)+len(body)/16), m, scan{b: body})
	return out, w.repaired
}

type rewriter struct {
	repaired int
	depth    int // values around the current message
}

// message appends the canonical form of a message, which may come in several occurrences that protobuf merges.
// Recursion is bounded by Check.
func (w *rewriter) message(dst []byte, m message, in scan) []byte {
	// First pass: which occurrence of a singular field or oneof counts, and which fields are repeated.
	var last [slots]int
	var seen, twice uint32
	scopes := false
	for c := in; c.next(); {
		f := c.field(m)
		last[f.slot()] = c.ordinal
		bit := uint32(1) << f.slot()
		twice |= seen & bit
		seen |= bit
		scopes = scopes || c.num == FieldResourceXScope
	}
	var done uint32
	for c := in; c.next(); {
		f := c.field(m)
		if c.num == deprecatedScope && f.kind() == kindMessage {
			if scopes {
				continue
			}
			c.num = FieldResourceXScope
		}
		bit := uint32(1) << f.slot() &^ 1 // repeated fields have none
		switch f.kind() {
		case kindPackedFixed, kindPackedVarint:
			if done&bit == 0 {
				dst = packedField(dst, c.num, f, in)
			}
		case kindMessage, kindItem, kindMember:
			switch {
			case twice&bit == 0 || f.kind() == kindMember && last[f.slot()] == c.ordinal:
				dst = w.nested(dst, c.num, f.sub(), scan{b: c.body})
			case f.kind() == kindMessage && done&bit == 0:
				dst = w.nested(dst, c.num, f.sub(), occurrences(in, c.num))
			}
		case kindString:
			if bit == 0 || last[f.slot()] == c.ordinal {
				dst = w.text(dst, c.num, c.body)
			}
		default:
			if bit == 0 || last[f.slot()] == c.ordinal {
				dst = c.append(dst)
			}
		}
		done |= bit
	}
	return dst
}

// nested appends a message field. It guesses the size of its length, so that the body is rarely moved.
func (w *rewriter) nested(dst []byte, num int, m message, in scan) []byte {
	dst = AppendTag(dst, num, TypeBytes)
	// Most of an irregular request is regular, and checking this costs a tenth of rewriting. Not below a value: a
	// body nested on purpose would be read once per level.
	if w.depth == 0 && len(in.parts) == 0 {
		c := checker{body: in.b, maxItems: math.MaxInt}
		if c.message(m, 0, len(in.b)) && !c.irregular {
			return append(AppendVarint(dst, uint64(len(in.b))), in.b...)
		}
	}
	if m == msgValue {
		w.depth++
		defer func() { w.depth-- }()
	}
	size := len(in.b)
	for _, p := range in.parts {
		size += len(p)
	}
	reserved := SizeVarint(uint64(size))
	var room [10]byte
	dst = append(dst, room[:reserved]...)
	mark := len(dst)
	return endReserved(w.message(dst, m, in), mark, reserved)
}

// text appends a string field, with U+FFFD for each run of invalid bytes.
func (w *rewriter) text(dst []byte, num int, s []byte) []byte {
	if !utf8.Valid(s) {
		s = bytes.ToValidUTF8(s, []byte("\uFFFD"))
		w.repaired++
	}
	return AppendBytes(dst, num, s)
}

func occurrences(in scan, num int) scan {
	var out scan
	for c := in; c.next(); {
		if c.num == num && c.wire == TypeBytes {
			out.parts = append(out.parts, c.body)
		}
	}
	return out
}

// packedField appends one packed field with the elements of all occurrences. As in pdata, a packed occurrence of
// fixed64 elements replaces earlier ones; everything else adds.
func packedField(dst []byte, num int, f field, in scan) []byte {
	dst, mark := BeginMessage(dst, num)
	for c := in; c.next(); {
		switch {
		case c.num != num:
		case f.kind() == kindPackedFixed && c.wire == TypeBytes:
			dst = append(dst[:mark], c.body...)
		case c.wire == TypeBytes:
			for pos := 0; pos < len(c.body); {
				var v uint64
				v, pos = longUvarint(c.body, pos)
				dst = AppendVarint(dst, v)
			}
		case c.wire == TypeVarint:
			dst = AppendVarint(dst, c.value)
		default:
			dst = append(dst, c.body...)
		}
	}
	return EndMessage(dst, mark)
}

// A scan walks the fields of a checked message, possibly irregular and in parts.
type scan struct {
	parts   [][]byte // what follows b
	b       []byte
	pos     int
	ordinal int // of the current field, from 1
	num     int
	wire    int
	value   uint64 // of a varint
	body    []byte // of every other wire type
}

func (c *scan) next() bool {
	for c.pos >= len(c.b) {
		if len(c.parts) == 0 {
			return false
		}
		c.b, c.parts, c.pos = c.parts[0], c.parts[1:], 0
	}
	tag, pos := longUvarint(c.b, c.pos)
	c.ordinal++
	c.num, c.wire = int(tag>>3), int(tag&7)
	start := pos
	switch c.wire {
	case TypeVarint:
		c.value, pos = longUvarint(c.b, pos)
	case TypeBytes:
		start, pos = long(c.b, pos)
	case TypeFixed64:
		pos += 8
	case TypeFixed32:
		pos += 4
	default:
		pos = len(c.b)
	}
	c.pos = min(pos, len(c.b))
	c.body = c.b[start:c.pos]
	return true
}

// field returns the schema row of the current field.
func (c *scan) field(m message) field {
	if c.num < slots {
		return schemas[m][c.num]
	}
	if c.num == deprecatedScope && scopeOf(m) != msgNone {
		return many(scopeOf(m))
	}
	return 0
}

func (c *scan) append(dst []byte) []byte {
	switch c.wire {
	case TypeVarint:
		return AppendUint(dst, c.num, c.value)
	case TypeBytes:
		return AppendBytes(dst, c.num, c.body)
	}
	return append(AppendTag(dst, c.num, c.wire), c.body...)
}
