package syntax

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	tokEnd kind = iota
	tokName
	tokString
	tokInt
	tokFloat
	tokBytes
	tokPunct // one of ( ) [ ] { } , . : = + - * / and the comparison operators
)

type token struct {
	kind kind
	at   int    // byte offset in the text
	text string // as written; of a string what it means
}

// describe names a token in a fault.
func (t token) describe() string {
	switch t.kind {
	case tokEnd:
		return "the end"
	case tokString:
		return strconv.Quote(t.text)
	}
	return "`" + t.text + "`"
}

// lex splits a statement into tokens. The last one is the end.
func lex(text string) ([]token, *Fault) {
	var out []token
	for i := 0; ; {
		for i < len(text) && strings.IndexByte(" \t\r\n\f\v", text[i]) >= 0 {
			i++
		}
		if i == len(text) {
			return append(out, token{kind: tokEnd, at: i}), nil
		}
		t, n, fault := next(text, i)
		if fault != nil {
			return nil, fault
		}
		out = append(out, t)
		i += n
	}
}

func next(text string, at int) (token, int, *Fault) {
	s := text[at:]
	c := s[0]
	switch {
	case isLetter(c) || c == '_':
		n := 1
		for n < len(s) && (isLetter(s[n]) || isDigit(s[n]) || s[n] == '_') {
			n++
		}
		return token{tokName, at, s[:n]}, n, nil
	case c == '"':
		return quoted(s, at)
	case isDigit(c) || c == '.' && len(s) > 1 && isDigit(s[1]):
		return number(s, at)
	}
	for _, op := range []string{"==", "!=", ">=", "<=", "=>"} {
		if strings.HasPrefix(s, op) {
			return token{tokPunct, at, op}, 2, nil
		}
	}
	if strings.IndexByte("()[]{},.:=+-*/<>", c) >= 0 {
		return token{tokPunct, at, s[:1]}, 1, nil
	}
	r, _ := utf8.DecodeRuneInString(s)
	hint := ""
	switch r {
	case '\'', '`', '“', '”':
		hint = `; write strings in double quotes`
	case '&', '|', '!':
		hint = "; write and, or, not"
	}
	return token{}, 0, faultf(at, "unexpected character %q%s", r, hint)
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func digits(s string, n int) int {
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func number(s string, at int) (token, int, *Fault) {
	if strings.HasPrefix(s, "0x") {
		n := 2
		for n < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[n]) >= 0 {
			n++
		}
		b, err := hex.DecodeString(s[2:n])
		if err != nil || n == 2 {
			return token{}, 0, faultf(at, "%s is not a byte string; write an even number of hex digits after 0x", s[:n])
		}
		return token{tokBytes, at, string(b)}, n, nil
	}
	n := digits(s, 0)
	if n == len(s) || s[n] != '.' {
		return token{tokInt, at, s[:n]}, n, nil
	}
	n = digits(s, n+1)
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		m := n + 1
		if m < len(s) && (s[m] == '+' || s[m] == '-') {
			m++
		}
		if end := digits(s, m); end > m {
			n = end
		}
	}
	return token{tokFloat, at, s[:n]}, n, nil
}

func quoted(s string, at int) (token, int, *Fault) {
	end := 1
	for end < len(s) && s[end] != '"' {
		if s[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(s) {
		return token{}, 0, faultf(at, `the string has no end; write a closing "`)
	}
	var b strings.Builder
	for rest := s[1:end]; rest != ""; {
		r, multi, tail, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			bad := rest
			if len(bad) > 2 {
				bad = bad[:2]
			}
			return token{}, 0, faultf(at+end-len(rest), "unknown escape %q in a string; write a backslash as \\\\", bad)
		}
		if r < utf8.RuneSelf || multi {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
		rest = tail
	}
	if !utf8.ValidString(b.String()) {
		return token{}, 0, faultf(at, "the string is not valid UTF-8; remove the \\x escape")
	}
	return token{tokString, at, b.String()}, end + 1, nil
}

// A Fault is what is wrong in a statement.
type Fault struct {
	At  int // byte offset in the statement
	Msg string
}

// Error is the message with the column, counted from 1.
func (f *Fault) Error() string { return fmt.Sprintf("column %d: %s", f.At+1, f.Msg) }

func faultf(at int, format string, args ...any) *Fault {
	return &Fault{at, fmt.Sprintf(format, args...)}
}
