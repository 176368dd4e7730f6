// Package jsontext reads JSON where it stands, without decoding what nobody asks for.
package jsontext

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Walk begins with the object that text is.
func Walk(text []byte) Object { return Object{rest: text} }

// Object walks the members of a JSON object without recursion. Values of other members than strings are passed over by
// their brackets, not checked.
type Object struct {
	rest  []byte
	Key   []byte // of the last member, as it stands
	Value []byte // with its quotes or brackets
	begun bool
	whole bool // the object ended where the text does
}

// Next goes to the next member.
func (o *Object) Next() bool {
	o.blank()
	if len(o.rest) == 0 {
		return false
	}
	c := o.rest[0]
	switch {
	case !o.begun && c == '{', o.begun && c == ',':
		o.rest = o.rest[1:]
		if o.blank(); !o.begun && len(o.rest) > 0 && o.rest[0] == '}' {
			o.whole = len(o.rest) == 1
			return false
		}
		o.begun = true
	case o.begun && c == '}':
		o.whole = len(o.rest) == 1
		return false
	default:
		return false
	}
	if len(o.rest) == 0 || o.rest[0] != '"' {
		return false
	}
	n, ok := StringEnd(o.rest[1:])
	if !ok {
		return false
	}
	o.Key, o.rest = o.rest[1:1+n], o.rest[n+2:]
	if o.blank(); len(o.rest) == 0 || o.rest[0] != ':' {
		return false
	}
	o.rest = o.rest[1:]
	o.blank()
	n = valueEnd(o.rest)
	if n == 0 {
		return false
	}
	o.Value, o.rest = o.rest[:n], o.rest[n:]
	return true
}

func (o *Object) blank() {
	for len(o.rest) > 0 && (o.rest[0] == ' ' || o.rest[0] == '\t' || o.rest[0] == '\r' || o.rest[0] == '\n') {
		o.rest = o.rest[1:]
	}
}

// Whole reports, after Next returned false, whether the object ended where the text does.
func (o *Object) Whole() bool { return o.whole }

// Text is the last member's value between its quotes.
func (o *Object) Text() (s []byte, ok bool) {
	if o.Value[0] != '"' {
		return nil, false
	}
	return o.Value[1 : len(o.Value)-1], true
}

// valueEnd returns the length of the JSON value that s begins with; 0 if there is none.
func valueEnd(s []byte) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			n, ok := StringEnd(s[i+1:])
			if !ok {
				return 0
			}
			if i += n + 1; depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	if depth > 0 {
		return 0
	}
	return len(s)
}

// StringEnd returns where the quote is that ends a JSON string; s begins behind the first one.
func StringEnd(s []byte) (n int, ok bool) {
	for {
		q := bytes.IndexByte(s[n:], '"')
		if q < 0 {
			return 0, false
		}
		n += q
		back := n
		for back > 0 && s[back-1] == '\\' {
			back--
		}
		if (n-back)%2 == 0 {
			return n, true
		}
		n++
	}
}

// AppendUnescaped appends a JSON string's text; its first backslash is at from. Halves of surrogate pairs become U+FFFD, as
// encoding/json makes them.
func AppendUnescaped(dst, s []byte, from int) (text []byte, ok bool) {
	for {
		dst = append(dst, s[:from]...)
		s = s[from:]
		if len(s) == 0 {
			return dst, true
		}
		if len(s) < 2 {
			return dst, false
		}
		switch c := s[1]; c {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			r, good := hex4(s[2:])
			if !good {
				return dst, false
			}
			s = s[4:]
			if utf16.IsSurrogate(r) {
				second, paired := rune(0), false
				if len(s) >= 8 && s[2] == '\\' && s[3] == 'u' {
					second, paired = hex4(s[4:])
				}
				if r = utf16.DecodeRune(r, second); paired && r != utf8.RuneError {
					s = s[6:]
				} else {
					r = utf8.RuneError
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			return dst, false
		}
		s = s[2:]
		if from = bytes.IndexByte(s, '\\'); from < 0 {
			from = len(s)
		}
	}
}

// hex4 reads four hexadecimal digits.
func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range s[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20-'a' <= 5 && c|0x20 >= 'a':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
