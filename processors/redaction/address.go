package redaction

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// email finds an address: letters, digits and ._%+- at a name with a dot and a top-level domain of letters.
func email(text []byte, from int) (span, bool) {
	for at := from; ; {
		i := bytes.IndexByte(text[at:], '@')
		if i < 0 {
			return span{}, false
		}
		i += at
		start := i
		for start > from {
			n := letterBefore(text[from:start])
			if b := text[start-1]; n == 0 && (digit(b) || b == '.' || b == '_' || b == '%' || b == '+' || b == '-') {
				n = 1
			}
			if n == 0 {
				break
			}
			start -= n
		}
		for start < i && text[start] == '.' {
			start++
		}
		if end := domainEnd(text, i+1); start < i && end > 0 {
			return span{start, end}, true
		}
		at = i + 1
	}
}

// domainEnd is where a domain name ends, or 0 if there is none.
func domainEnd(text []byte, at int) (end int) {
	for first := true; ; first = false {
		label, n := at, 0
		for ; ; at += n {
			if n = letterAt(text, at); n == 0 {
				break
			}
		}
		if !first && utf8.RuneCount(text[label:at]) >= 2 {
			end = at
		}
		letters := at
		for at < len(text) {
			if n = letterAt(text, at); n == 0 && (digit(text[at]) || text[at] == '-' && at > label) {
				n = 1
			}
			if n == 0 {
				break
			}
			at += n
		}
		if !first && at > letters && bytes.HasPrefix(text[label:], []byte("xn--")) {
			end = at
		}
		if at == label || at == len(text) || text[at] != '.' {
			return end
		}
		at++
	}
}

// Letters of scripts that put spaces between words: others would take the sentence around an address into it.
func letter(r rune) bool { return r < 0x2E80 && unicode.IsLetter(r) }

func letterAt(text []byte, at int) int {
	if at >= len(text) {
		return 0
	}
	if b := text[at]; b < utf8.RuneSelf {
		if upper(b &^ 0x20) {
			return 1
		}
		return 0
	}
	if r, n := utf8.DecodeRune(text[at:]); letter(r) {
		return n
	}
	return 0
}

func letterBefore(text []byte) int {
	if b := text[len(text)-1]; b < utf8.RuneSelf {
		if upper(b &^ 0x20) {
			return 1
		}
		return 0
	}
	if r, n := utf8.DecodeLastRune(text); letter(r) {
		return n
	}
	return 0
}
