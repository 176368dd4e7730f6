package wire

import (
	"encoding/binary"
	"math/rand/v2"
)

// A generator makes requests out of the schema tables: legal ones, legal but irregular ones, and broken ones. Its
// decisions come from a byte string, so that the fuzzer can steer it; when that is used up it ends soon.
type generator struct {
	entropy []byte
	broken  bool // wrong wire types, groups, bad ids, truncation
	strict  bool // canonical output only
}

// randomEntropy makes decisions from a seed.
func randomEntropy(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// pick returns a number below n, 0 when there is no entropy left.
func (g *generator) pick(n int) int {
	if len(g.entropy) == 0 {
		return 0
	}
	v := int(g.entropy[0])
	g.entropy = g.entropy[1:]
	return v % n
}

// rarely is true one time in n.
func (g *generator) rarely(n int) bool { return g.pick(n) == n-1 }

// irregular is rarely for deviations from the canonical form.
func (g *generator) irregular(n int) bool { return g.rarely(n) && !g.strict }

// fault is rarely for illegal encodings.
func (g *generator) fault(n int) bool { return g.rarely(n) && g.broken }

// request makes a request of the signal.
func (g *generator) request(s Signal) []byte {
	m, _ := root(s)
	return g.message(nil, m, 0)
}

// message appends a message body.
func (g *generator) message(dst []byte, m message, depth int) []byte {
	var seen uint32
	for n := g.pick(7) + depth/8; n > 0 && len(g.entropy) > 0; n-- {
		if g.rarely(12) {
			dst = g.unknown(dst)
			continue
		}
		if g.irregular(20) && scopeOf(m) != msgNone {
			dst = g.field(dst, deprecatedScope, many(scopeOf(m)), depth)
			continue
		}
		num := g.pick(17)
		f := schemas[m][num]
		for f.kind() == kindUnknown {
			num = (num + 1) % slots
			f = schemas[m][num]
		}
		if depth > 30 && f.sub() != msgNone {
			continue
		}
		if bit := uint32(1) << f.slot() &^ 1; g.strict && seen&bit != 0 {
			continue
		} else {
			seen |= bit
		}
		dst = g.field(dst, num, f, depth)
	}
	return dst
}

// field appends one known field.
func (g *generator) field(dst []byte, num int, f field, depth int) []byte {
	if g.fault(60) {
		kind := f.kind()
		wire := uint8(g.pick(8))
		if kind > kindFixed32 && wire != TypeBytes {
			kind = kindVarint
		}
		f = row(kind, f.sub(), wire, f.slot())
	}
	switch f.kind() {
	case kindVarint:
		dst = g.varint(g.tag(dst, num, f.wire()-1), g.number())
	case kindFixed64:
		dst = binary.LittleEndian.AppendUint64(g.tag(dst, num, f.wire()-1), g.number())
	case kindFixed32:
		dst = binary.LittleEndian.AppendUint32(g.tag(dst, num, f.wire()-1), uint32(g.number()))
	case kindPackedFixed:
		if g.irregular(3) {
			return binary.LittleEndian.AppendUint64(g.tag(dst, num, TypeFixed64), g.number())
		}
		var body []byte
		for range g.pick(4) {
			body = binary.LittleEndian.AppendUint64(body, g.number())
		}
		if g.fault(8) {
			body = append(body, 1)
		}
		dst = g.bytes(dst, num, body)
	case kindPackedVarint:
		if g.irregular(3) {
			return g.varint(g.tag(dst, num, TypeVarint), g.number())
		}
		var body []byte
		for range g.pick(4) {
			body = g.varint(body, g.number())
		}
		dst = g.bytes(dst, num, body)
	case kindString:
		dst = g.bytes(dst, num, []byte(g.text()))
	case kindBytes:
		dst = g.bytes(dst, num, []byte{0xff, 0, byte(g.pick(256))}[:g.pick(4)])
	case kindTraceID, kindSpanID:
		n := []int{16, 8}[f.kind()-kindTraceID]
		if g.rarely(5) {
			n = 0
		}
		if g.fault(8) {
			n++
		}
		id := make([]byte, n)
		for i := range id {
			id[i] = byte(g.pick(3))
		}
		dst = g.bytes(dst, num, id)
	default:
		dst = g.bytes(dst, num, g.message(nil, f.sub(), depth+1))
	}
	if g.fault(100) && len(dst) > 0 {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// unknown appends a field that no schema has.
func (g *generator) unknown(dst []byte) []byte {
	num := 40 + g.pick(3)*900
	if g.fault(6) {
		num = []int{0, 1 << 29, 1<<29 - 1, 1 << 33}[g.pick(4)]
	}
	switch g.pick(4) {
	case 0:
		return g.varint(g.tag(dst, num, TypeVarint), g.number())
	case 1:
		return binary.LittleEndian.AppendUint64(g.tag(dst, num, TypeFixed64), g.number())
	case 2:
		return binary.LittleEndian.AppendUint32(g.tag(dst, num, TypeFixed32), uint32(g.number()))
	}
	if g.fault(3) {
		return g.tag(g.tag(dst, num, 3), num, 4)
	}
	return g.bytes(dst, num, []byte("\xffunknown"))
}

// number returns a number that is small, negative or anything.
func (g *generator) number() uint64 {
	switch g.pick(4) {
	case 0:
		return uint64(g.pick(3))
	case 1:
		return uint64(g.pick(256)) << 3
	case 2:
		return -uint64(g.pick(5))
	}
	var v uint64
	for range 8 {
		v = v<<8 | uint64(g.pick(256))
	}
	return v
}

// text returns a string, seldom one that is not UTF-8.
func (g *generator) text() string {
	if g.irregular(16) {
		return []string{"\xff", "a\xc3", "\xed\xa0\x80 surrogate", "long enough to have words \xf5\xf5 in"}[g.pick(4)]
	}
	return []string{"", "k", "service.name", "ümläut", "a longer string, of more than sixteen bytes",
		"\u2028\"\\\n<&>\x00\x7f", "😀", "twelve bytes"}[g.pick(8)]
}

// tag appends a tag.
func (g *generator) tag(dst []byte, num int, wire uint8) []byte {
	return g.varint(dst, uint64(num)<<3|uint64(wire))
}

// bytes appends a length-delimited field.
func (g *generator) bytes(dst []byte, num int, body []byte) []byte {
	n := uint64(len(body))
	if g.fault(60) {
		n += g.number()
	}
	return append(g.varint(g.tag(dst, num, TypeBytes), n), body...)
}

// varint appends a varint, seldom a longer one than need be.
func (g *generator) varint(dst []byte, v uint64) []byte {
	dst = AppendVarint(dst, v)
	if !g.irregular(24) {
		return dst
	}
	for n := SizeVarint(v); n < 10; n++ {
		dst[len(dst)-1] |= 0x80
		dst = append(dst, 0)
		if g.rarely(3) {
			return dst
		}
	}
	dst[len(dst)-1] |= byte(g.pick(64)) << 1
	if g.fault(4) {
		dst[len(dst)-1] |= 0x80
	}
	return dst
}
