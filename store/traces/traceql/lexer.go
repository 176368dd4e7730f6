package traceql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd     tokenKind = iota
	tokenSymbol            // operators, braces, parentheses
	tokenField             // an attribute with or without scope, or an intrinsic
	tokenWord              // any other bare word
	tokenString            // text is the content
	tokenNumber            // number or duration, without sign
	tokenInvalid           // text is the reason
)

type token struct {
	kind tokenKind
	text string
	pos  int // byte offset
}

// String is for error messages.
func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the query"
	case tokenString:
		return fmt.Sprintf("the string %q", t.text)
	}
	return fmt.Sprintf("%q", t.text)
}

// symbols are all of TraceQL's, longer before shorter.
var symbols = []string{
	"&>>", "&<<", "!>>", "!<<",
	"&&", "||", "!=", "=~", "!~", "<=", ">=", ">>", "<<", "&>", "&<", "&~", "!>", "!<", "==",
	"{", "}", "(", ")", "|", "=", "<", ">", "~", "!", "+", "-", "*", "/", "%", "^", ",", "&", "[", "]",
}

type lexer struct {
	text string
	pos  int
}

func (l *lexer) scan() token {
	l.skipBlank()
	start := l.pos
	if start == len(l.text) {
		return token{kind: tokenEnd, pos: start}
	}
	switch c := l.text[start]; {
	case c == '"' || c == '`':
		return l.scanString(c)
	case isDigit(c), c == '.' && start+1 < len(l.text) && isDigit(l.text[start+1]):
		l.takeWhile(isNumberRune)
		l.takeExponent(start)
		return token{tokenNumber, l.text[start:l.pos], start}
	case c == '.':
		return l.scanAttribute(start)
	}
	if r, _ := utf8.DecodeRuneInString(l.text[start:]); r == '_' || unicode.IsLetter(r) {
		return l.scanWord(start)
	}
	for _, s := range symbols {
		if strings.HasPrefix(l.text[start:], s) {
			l.pos += len(s)
			return token{tokenSymbol, s, start}
		}
	}
	return l.invalid(start, fmt.Sprintf("unexpected character %q", firstRune(l.text[start:])))
}

// skipBlank skips white space and // comments.
func (l *lexer) skipBlank() {
	for {
		l.takeWhile(unicode.IsSpace)
		if !strings.HasPrefix(l.text[l.pos:], "//") {
			return
		}
		l.takeWhile(func(r rune) bool { return r != '\n' })
	}
}

// scanString reads a string in double quotes, with Go's escapes, or raw in back quotes.
func (l *lexer) scanString(quote byte) token {
	start := l.pos
	content, n, reason := unquote(l.text[start:], quote)
	if reason != "" {
		return l.invalid(start, reason)
	}
	l.pos += n
	return token{tokenString, content, start}
}

// scanWord reads a scoped attribute (span.x), an intrinsic (name, span:name) or a keyword.
func (l *lexer) scanWord(start int) token {
	l.takeWhile(isWordRune)
	word := l.text[start:l.pos]
	if strings.HasPrefix(l.text[l.pos:], ".") {
		return l.scanAttribute(start)
	}
	if strings.HasPrefix(l.text[l.pos:], ":") {
		l.pos++
		l.takeWhile(isWordRune)
		return token{tokenField, l.text[start:l.pos], start}
	}
	if _, ok := intrinsicField(word); ok || unsupportedFields[word] {
		return token{tokenField, word, start}
	}
	return token{tokenWord, word, start}
}

// scanAttribute reads an attribute from the dot on; start is where its scope began. Quoted parts keep their quotes.
func (l *lexer) scanAttribute(start int) token {
	for l.pos < len(l.text) {
		if l.text[l.pos] != '"' {
			from := l.pos
			l.takeWhile(isAttributeRune)
			if l.pos == from {
				break
			}
			continue
		}
		_, n, reason := unquote(l.text[l.pos:], '"')
		if reason != "" {
			return l.invalid(l.pos, reason)
		}
		l.pos += n
	}
	return token{tokenField, l.text[start:l.pos], start}
}

// takeExponent reads the signed exponent of a number.
func (l *lexer) takeExponent(start int) {
	number, ok := strings.CutSuffix(strings.ToLower(l.text[start:l.pos]), "e")
	rest := l.text[l.pos:]
	if ok && strings.Trim(number, "0123456789.") == "" && (strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+")) {
		l.pos++
		l.takeWhile(isNumberRune)
	}
}

func (l *lexer) invalid(pos int, reason string) token {
	l.pos = len(l.text)
	return token{tokenInvalid, reason, pos}
}

func (l *lexer) takeWhile(in func(rune) bool) {
	for l.pos < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.text[l.pos:])
		if !in(r) {
			return
		}
		l.pos += n
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func isNumberRune(r rune) bool { return r == '.' || isWordRune(r) }

// isAttributeRune excludes TraceQL's symbols, which need quotes.
func isAttributeRune(r rune) bool {
	return !unicode.IsSpace(r) && !strings.ContainsRune("{}()=~!<>&|^,\"", r)
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// unquote reads the quoted string at the start of s. It returns the content and the length with quotes, or the fault.
func unquote(s string, quote byte) (content string, n int, reason string) {
	if quote == '`' {
		end := strings.IndexByte(s[1:], '`')
		if end < 0 {
			return "", 0, "the string is not closed"
		}
		return s[1 : 1+end], end + 2, ""
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\n':
			return "", 0, "the string is not closed on its line"
		case '"':
			content, err := strconv.Unquote(s[:i+1])
			if err != nil {
				return "", 0, "the string has an escape that does not exist; write \\\\ for a backslash"
			}
			return content, i + 1, ""
		}
	}
	return "", 0, "the string is not closed"
}

// attributeName unquotes the text after the dot.
func attributeName(text string) string {
	if !strings.Contains(text, `"`) {
		return text
	}
	var b strings.Builder
	for text != "" {
		if text[0] == '"' {
			content, n, _ := unquote(text, '"') // the lexer has checked it
			b.WriteString(content)
			text = text[n:]
			continue
		}
		end := strings.IndexByte(text, '"')
		if end < 0 {
			end = len(text)
		}
		b.WriteString(text[:end])
		text = text[end:]
	}
	return b.String()
}
