package logql

import (
	"strconv"
	"strings"
)

type kind uint8

const (
	end    kind = iota
	ident       // label, function, keyword
	text        // a string, unquoted
	number      // digits with whatever is glued to them: 5, 1.5e3, 1h30m, 20MB
	symbol      // operators and punctuation
)

type token struct {
	kind kind
	text string
	pos  int
}

// lexer tokenizes the whole query before parsing.
type lexer struct {
	query  string
	pos    int
	tokens []token
}

// symbols has the longer ones first.
var symbols = [...]string{
	"|=", "|~", "|>", "!=", "!~", "!>", "==", "=~", ">=", "<=",
	"{", "}", "(", ")", "[", "]", ",", "|", "=", ">", "<", "+", "-", "*", "/", "%", "^", "@", ":",
}

func lex(query string) ([]token, error) {
	l := lexer{query: query}
	for {
		l.space()
		if l.pos == len(query) {
			l.tokens = append(l.tokens, token{kind: end, pos: l.pos})
			return l.tokens, nil
		}
		if err := l.next(); err != nil {
			return nil, err
		}
	}
}

// space skips blanks and # comments.
func (l *lexer) space() {
	for l.pos < len(l.query) {
		switch c := l.query[l.pos]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			l.pos++
		case c == '#':
			n := strings.IndexByte(l.query[l.pos:], '\n')
			if n < 0 {
				n = len(l.query) - l.pos
			}
			l.pos += n
		default:
			return
		}
	}
}

func (l *lexer) next() error {
	c, start := l.query[l.pos], l.pos
	switch {
	case c == '"' || c == '`':
		return l.quoted()
	case isLetter(c):
		l.run(func(c byte) bool { return isLetter(c) || isDigit(c) })
		l.add(ident, start)
		return nil
	case isDigit(c) || c == '.' && l.pos+1 < len(l.query) && isDigit(l.query[l.pos+1]):
		l.number()
		l.add(number, start)
		return nil
	}
	for _, s := range symbols {
		if strings.HasPrefix(l.query[l.pos:], s) {
			l.pos += len(s)
			l.add(symbol, start)
			return nil
		}
	}
	if c == '\'' {
		return errorAt(l.query, start, "syntax error: a string is written in double quotes or backticks")
	}
	return errorAt(l.query, start, "syntax error: unexpected character %q", l.query[start:start+1])
}

func (l *lexer) quoted() error {
	prefix, err := strconv.QuotedPrefix(l.query[l.pos:])
	if err != nil {
		return errorAt(l.query, l.pos, "syntax error: this string does not end, or has an invalid escape")
	}
	s, err := strconv.Unquote(prefix)
	if err != nil {
		return errorAt(l.query, l.pos, "syntax error: %s is not a string", prefix)
	}
	l.tokens = append(l.tokens, token{kind: text, text: s, pos: l.pos})
	l.pos += len(prefix)
	return nil
}

// number takes digits and the unit after them; "µs" is the only unit beyond ASCII.
func (l *lexer) number() {
	for l.pos < len(l.query) {
		rest := l.query[l.pos:]
		switch {
		case isDigit(rest[0]) || isLetter(rest[0]) || rest[0] == '.':
			l.pos++
			exponent := rest[0] == 'e' || rest[0] == 'E'
			if exponent && len(rest) > 2 && (rest[1] == '-' || rest[1] == '+') && isDigit(rest[2]) {
				l.pos++
			}
		case strings.HasPrefix(rest, "µ"), strings.HasPrefix(rest, "μ"):
			l.pos += 2
		default:
			return
		}
	}
}

func (l *lexer) run(accept func(byte) bool) {
	for l.pos < len(l.query) && accept(l.query[l.pos]) {
		l.pos++
	}
}

func (l *lexer) add(k kind, start int) {
	l.tokens = append(l.tokens, token{kind: k, text: l.query[start:l.pos], pos: start})
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
