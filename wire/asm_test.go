package wire

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
)

// asm assembles protobuf from the notation of testdata:
//
//	5: 7            a varint field, also negative
//	5: "text"       a length-delimited field, quoted as in Go
//	5: { 1: 2 }     a message field
//	1: i64 7        a fixed64 field, i32 likewise
//	raw ff00        these bytes
//	5^2: 7^3        a tag padded by two bytes, a varint by three; a length is padded by { ... }^3 or "text"^3
//	5: { ... }+3    a length that is three larger than what follows
//
// Everything behind # on a line is a comment.
func asm(t testing.TB, text string) []byte {
	t.Helper()
	a := assembler{t: t}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		a.tokens = append(a.tokens, tokens(strings.TrimSpace(line))...)
	}
	out := a.fields()
	if len(a.tokens) > 0 {
		t.Fatalf("cannot assemble from %q on", a.tokens)
	}
	return out
}

// tokens splits at blanks outside of quotes.
func tokens(line string) (out []string) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		n := strings.IndexByte(line+" ", ' ')
		if quoted, err := strconv.QuotedPrefix(line); err == nil {
			n = len(quoted) + strings.IndexByte(line[len(quoted):]+" ", ' ')
		}
		out = append(out, line[:n])
		line = line[n:]
	}
	return out
}

type assembler struct {
	t      testing.TB
	tokens []string
}

func (a *assembler) take() string {
	if len(a.tokens) == 0 {
		a.t.Fatal("the text ends too early")
	}
	s := a.tokens[0]
	a.tokens = a.tokens[1:]
	return s
}

func (a *assembler) number(s string) uint64 {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		u, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			a.t.Fatalf("not a number: %q", s)
		}
		return u
	}
	return uint64(n)
}

// padded appends a varint with so many bytes more than need be.
func padded(dst []byte, v uint64, pad int) []byte {
	dst = AppendVarint(dst, v)
	for range pad {
		dst[len(dst)-1] |= 0x80
		dst = append(dst, 0)
	}
	return dst
}

// suffix splits "x^3" and "x+3" into x, the padding and the lie.
func (a *assembler) suffix(s string) (_ string, pad int, lie uint64) {
	if i := strings.LastIndexByte(s, '^'); i > 0 {
		pad = int(a.number(s[i+1:]))
		s = s[:i]
	}
	if i := strings.LastIndexByte(s, '+'); i > 0 {
		lie = a.number(s[i+1:])
		s = s[:i]
	}
	return s, pad, lie
}

func (a *assembler) fields() (out []byte) {
	for len(a.tokens) > 0 && !strings.HasPrefix(a.tokens[0], "}") {
		name := a.take()
		if name == "raw" {
			b, err := hex.DecodeString(a.take())
			if err != nil {
				a.t.Fatal(err)
			}
			out = append(out, b...)
			continue
		}
		num, pad, _ := a.suffix(strings.TrimSuffix(name, ":"))
		tag := func(wire uint64) { out = padded(out, a.number(num)<<3|wire, pad) }
		switch value := a.take(); {
		case value == "i64":
			tag(TypeFixed64)
			out = binary.LittleEndian.AppendUint64(out, a.number(a.take()))
		case value == "i32":
			tag(TypeFixed32)
			out = binary.LittleEndian.AppendUint32(out, uint32(a.number(a.take())))
		case value == "{":
			body := a.fields()
			_, pad, lie := a.suffix(a.take())
			tag(TypeBytes)
			out = append(padded(out, uint64(len(body))+lie, pad), body...)
		case value[0] == '"':
			quoted, _ := strconv.QuotedPrefix(value)
			_, pad, lie := a.suffix("x" + value[len(quoted):])
			s, _ := strconv.Unquote(quoted)
			tag(TypeBytes)
			out = append(padded(out, uint64(len(s))+lie, pad), s...)
		default:
			value, pad, _ := a.suffix(value)
			tag(TypeVarint)
			out = padded(out, a.number(value), pad)
		}
	}
	return out
}
