package wire

import (
	"bytes"
	"unicode/utf8"
)

// canonical rewrites a checked body into canonical form and returns the number of repaired strings. Its output is
// at most three times as long as the body (one invalid byte becomes a U+FFFD of three).
func canonical(m message, body []byte) (Request, int) {
	w := rewriter{}
	out := w.message(make([]byte, 0, len(body)+len(body)/16), m, [][]byte{body})
	return out, w.repaired
}

// A rewriter brings messages to canonical form.
type rewriter struct{ repaired int }

// message appends the canonical form of a message that is the concatenation of parts: how protobuf defines several
// occurrences of one singular message. Recursion is as deep as Check allowed.
func (w *rewriter) message(dst []byte, m message, parts [][]byte) []byte {
	// The first pass finds which occurrence of a singular field or oneof counts, and which are to be merged.
	var last, count [slots]int
	scopes := 0
	for c := (fields{parts: parts}); c.next(); {
		f := c.field(m)
		last[f.slot] = c.ordinal
		count[f.slot]++
		if scopeOf(m) != msgNone && c.num == FieldResourceXScope {
			scopes++
		}
	}
	var done uint32
	for c := (fields{parts: parts}); c.next(); {
		f := c.field(m)
		if c.num == deprecatedScope && f.kind == kindMessage {
			if scopes > 0 {
				continue
			}
			c.num = FieldResourceXScope
		}
		switch f.kind {
		case kindUnknown:
			dst = c.append(dst)
		case kindPackedFixed, kindPackedVarint:
			if done&(1<<f.slot) == 0 {
				dst = packedField(dst, c.num, f, parts)
			}
		case kindMessage, kindItem, kindMember:
			switch {
			case f.slot == 0 || count[f.slot] == 1 || f.kind == kindMember && last[f.slot] == c.ordinal:
				dst = w.nested(dst, c.num, f.sub, [][]byte{c.body})
			case f.kind == kindMessage && done&(1<<f.slot) == 0:
				dst = w.nested(dst, c.num, f.sub, occurrences(parts, c.num))
			}
		case kindString:
			if f.slot == 0 || last[f.slot] == c.ordinal {
				dst = w.text(dst, c.num, c.body)
			}
		default:
			if f.slot == 0 || last[f.slot] == c.ordinal {
				dst = c.append(dst)
			}
		}
		done |= 1 << f.slot &^ 1
	}
	return dst
}

// nested appends a message field. Its length rarely changes its own size, so that the body is rarely moved.
func (w *rewriter) nested(dst []byte, num int, m message, parts [][]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	reserved := SizeVarint(uint64(size))
	var room [10]byte
	dst = append(AppendTag(dst, num, TypeBytes), room[:reserved]...)
	mark := len(dst)
	return endReserved(w.message(dst, m, parts), mark, reserved)
}

// text appends a string field; each run of invalid bytes becomes one U+FFFD.
func (w *rewriter) text(dst []byte, num int, s []byte) []byte {
	if !utf8.Valid(s) {
		s = bytes.ToValidUTF8(s, []byte("\uFFFD"))
		w.repaired++
	}
	return AppendBytes(dst, num, s)
}

// occurrences collects the bodies of a singular message sent several times.
func occurrences(parts [][]byte, num int) [][]byte {
	var out [][]byte
	for c := (fields{parts: parts}); c.next(); {
		if c.num == num && c.wire == TypeBytes {
			out = append(out, c.body)
		}
	}
	return out
}

// packedField appends one packed field holding the elements of all its occurrences. As in pdata, a packed
// occurrence of fixed64 elements replaces what came before, everything else adds to it.
func packedField(dst []byte, num int, f field, parts [][]byte) []byte {
	dst, mark := BeginMessage(dst, num)
	for c := (fields{parts: parts}); c.next(); {
		switch {
		case c.num != num:
		case f.kind == kindPackedFixed && c.wire == TypeBytes:
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

// fields walks the fields of a checked message that may be irregular and may come in parts.
type fields struct {
	parts   [][]byte // what follows b
	b       []byte
	pos     int
	ordinal int // of the current field, from 1
	num     int
	wire    int
	value   uint64 // of a varint
	body    []byte // of every other wire type
}

// next moves to the next field.
func (c *fields) next() bool {
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
		c.body, pos = longView(c.b, pos)
		c.pos = pos
		return true
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

// field returns the schema row of the current field. An element of a packed field sent alone is known, too.
func (c *fields) field(m message) field {
	if c.num < slots {
		return schemas[m][c.num]
	}
	if c.num == deprecatedScope && scopeOf(m) != msgNone {
		return many(scopeOf(m))
	}
	return field{}
}

// append appends the current field with minimal varints.
func (c *fields) append(dst []byte) []byte {
	switch c.wire {
	case TypeVarint:
		return AppendUint(dst, c.num, c.value)
	case TypeBytes:
		return AppendBytes(dst, c.num, c.body)
	}
	return append(AppendTag(dst, c.num, c.wire), c.body...)
}
