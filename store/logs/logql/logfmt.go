package logql

import (
	"strconv"
	"strings"
)

// parseLogfmt makes labels of the line's key=value pairs, or of the wanted ones. Like Loki without --strict, it skips
// other words and keys without value.
func parseLogfmt(r *Row, extract []Extraction) {
	s := r.Line
	for s != "" {
		var key, value string
		var ok bool
		key, value, s, ok = nextPair(s)
		if !ok || value == "" {
			continue
		}
		if len(extract) == 0 {
			r.name = appendName(r.name[:0], key)
			if len(r.name) > 0 {
				r.addParsed(r.intern(r.name), value)
			}
			continue
		}
		for i := range extract {
			if extract[i].Path == key {
				r.addParsed(extract[i].Label, value)
			}
		}
	}
}

// nextPair cuts off the next word; ok reports whether it is a pair.
func nextPair(s string) (key, value, rest string, ok bool) {
	i := 0
	for i < len(s) && s[i] <= ' ' {
		i++
	}
	s = s[i:]
	i = 0
	for i < len(s) && s[i] > ' ' && s[i] != '=' && s[i] != '"' {
		i++
	}
	key, s = s[:i], s[i:]
	switch {
	case s == "" || s[0] <= ' ':
		return key, "", s, false // a bare word
	case s[0] == '"' || key == "":
		return key, "", skipWord(s), false
	}
	s = s[1:] // =
	if s != "" && s[0] == '"' {
		return quotedValue(key, s)
	}
	i = 0
	for i < len(s) && s[i] > ' ' {
		if s[i] == '=' || s[i] == '"' {
			return key, "", skipWord(s), false
		}
		i++
	}
	return key, s[:i], s[i:], true
}

func quotedValue(key, s string) (_, value, rest string, ok bool) {
	escaped := false
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			value, rest = s[1:i], s[i+1:]
			if rest != "" && rest[0] > ' ' {
				return key, "", skipWord(rest), false
			}
			if escaped {
				v, err := strconv.Unquote(s[:i+1])
				if err != nil {
					v, err = unquoted(s[:i+1])
				}
				return key, v, rest, err == nil
			}
			return key, value, rest, true
		}
	}
	return key, "", "", false
}

// skipWord skips to the next blank.
func skipWord(s string) string {
	if i := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' }); i >= 0 {
		return s[i:]
	}
	return ""
}
