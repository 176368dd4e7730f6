package traceql

import (
	"strconv"
	"strings"
)

// unquote reads the quoted string that s begins with. It returns the content and the length with quotes, or the
// reason why there is none.
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

// attributeName returns the name that an attribute's text after the dot stands for, its quoted parts unquoted.
func attributeName(text string) string {
	if !strings.Contains(text, `"`) {
		return text
	}
	var b strings.Builder
	for text != "" {
		if text[0] == '"' {
			content, n, _ := unquote(text, '"') // read once before, by the lexer
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
