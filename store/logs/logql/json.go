package logql

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth limits nesting; deeper lines count as not parsed.
const maxJSONDepth = 64

var (
	errNoObject  = errors.New("the line is not a JSON object")
	errJSON      = errors.New("the line is not well-formed JSON")
	errJSONDepth = errors.New("the line nests JSON too deep")
)

// jsonReader reads JSON in place. Only strings with escapes allocate.
type jsonReader struct {
	s     string
	pos   int
	depth int
}

// parseJSON makes labels of the line's strings, numbers and booleans. As in Loki, nested keys are joined with
// underscores, and arrays and null are skipped.
func parseJSON(r *Row) {
	j := jsonReader{s: r.Line}
	j.space()
	if !j.at('{') {
		r.fail(ParserError, errNoObject.Error())
		return
	}
	r.name = r.name[:0]
	if err := j.object(r); err != nil {
		r.fail(ParserError, err.Error())
	}
}

// object reads an object into labels with the prefix in r.name.
func (j *jsonReader) object(r *Row) error {
	base := len(r.name)
	defer func() { r.name = r.name[:base] }()
	return j.fields(func(key string) error {
		r.name = r.name[:base]
		if base > 0 {
			r.name = append(r.name, '_')
		}
		r.name = appendName(r.name, key)
		if j.at('{') {
			return j.object(r)
		}
		kind := j.peek()
		raw, err := j.value()
		if err != nil || kind == '[' || kind == 'n' || len(r.name) == 0 {
			return err
		}
		text, err := unquoted(raw)
		if err != nil {
			return err
		}
		n := len(r.name)
		r.addParsed(r.intern(r.name), text)
		r.name = r.name[:n]
		return nil
	})
}

// fields calls field at each value of an object; field must consume it.
func (j *jsonReader) fields(field func(key string) error) error {
	if j.depth++; j.depth > maxJSONDepth {
		return errJSONDepth
	}
	defer func() { j.depth-- }()
	j.pos++ // {
	j.space()
	if j.take('}') {
		return nil
	}
	for {
		raw, err := j.str()
		if err != nil {
			return err
		}
		key, err := unquoted(raw)
		if err != nil {
			return err
		}
		j.space()
		if !j.take(':') {
			return errJSON
		}
		j.space()
		if err := field(key); err != nil {
			return err
		}
		j.space()
		if j.take('}') {
			return nil
		}
		if !j.take(',') {
			return errJSON
		}
		j.space()
	}
}

// value consumes a value and returns its raw text.
func (j *jsonReader) value() (string, error) {
	start := j.pos
	var err error
	switch c := j.peek(); {
	case c == '"':
		_, err = j.str()
	case c == '{':
		err = j.fields(func(string) error { _, err := j.value(); return err })
	case c == '[':
		err = j.array(func(int) error { _, err := j.value(); return err })
	case c == '-' || c >= '0' && c <= '9':
		for j.pos < len(j.s) && strings.IndexByte("+-.eE0123456789", j.s[j.pos]) >= 0 {
			j.pos++
		}
	default:
		err = j.literal()
	}
	return j.s[start:j.pos], err
}

func (j *jsonReader) literal() error {
	for _, w := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(j.s[j.pos:], w) {
			j.pos += len(w)
			return nil
		}
	}
	return errJSON
}

func (j *jsonReader) array(element func(i int) error) error {
	if j.depth++; j.depth > maxJSONDepth {
		return errJSONDepth
	}
	defer func() { j.depth-- }()
	j.pos++ // [
	j.space()
	if j.take(']') {
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		j.space()
		if j.take(']') {
			return nil
		}
		if !j.take(',') {
			return errJSON
		}
		j.space()
	}
}

// str consumes a string and returns it with quotes.
func (j *jsonReader) str() (string, error) {
	if !j.at('"') {
		return "", errJSON
	}
	start := j.pos
	for j.pos++; j.pos < len(j.s); j.pos++ {
		switch j.s[j.pos] {
		case '\\':
			j.pos++
		case '"':
			j.pos++
			return j.s[start:j.pos], nil
		}
	}
	j.pos = len(j.s)
	return "", errJSON
}

func (j *jsonReader) space() {
	for j.pos < len(j.s) && (j.s[j.pos] == ' ' || j.s[j.pos] == '\t' || j.s[j.pos] == '\n' || j.s[j.pos] == '\r') {
		j.pos++
	}
}

// peek returns the current byte, 0 at the end.
func (j *jsonReader) peek() byte {
	if j.pos < len(j.s) {
		return j.s[j.pos]
	}
	return 0
}

func (j *jsonReader) at(c byte) bool { return j.pos < len(j.s) && j.s[j.pos] == c }

func (j *jsonReader) take(c byte) bool {
	if j.at(c) {
		j.pos++
		return true
	}
	return false
}

// unquoted decodes a string; other values stay raw.
func unquoted(raw string) (string, error) {
	if raw == "" || raw[0] != '"' {
		return raw, nil
	}
	s := raw[1 : len(raw)-1]
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for ; i >= 0; i = strings.IndexByte(s, '\\') {
		out = append(out, s[:i]...)
		n := 0
		if out, n = unescape(out, s[i:]); n == 0 {
			return "", errJSON
		}
		s = s[i+n:]
	}
	return string(append(out, s...)), nil
}

// unescape appends the escape at the start of s and returns its length, 0 if invalid.
func unescape(to []byte, s string) ([]byte, int) {
	if len(s) < 2 {
		return to, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
		return append(to, "\"\\/\b\f\n\r\t"[i]), 2
	}
	r, ok := escapedRune(s)
	if !ok {
		return to, 0
	}
	if utf16.IsSurrogate(r) {
		if low, ok := escapedRune(s[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return utf8.AppendRune(to, pair), 12
			}
		}
		r = utf8.RuneError
	}
	return utf8.AppendRune(to, r), 6
}

// escapedRune reads \uXXXX.
func escapedRune(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(v), err == nil
}

// extractJSON makes labels of the wanted fields; objects and arrays give their JSON text. As in Loki, only the first
// byte and the wanted values must be JSON, so a truncated line still gives the fields before the cut.
func extractJSON(r *Row, extract []Extraction) {
	if r.Line == "" {
		return
	}
	if c := r.Line[0]; c != '{' && c != '[' && c != '"' {
		r.fail(ParserError, errNoJSON.Error())
		return
	}
	for i := range extract {
		j := jsonReader{s: r.Line}
		raw, ok, err := j.find(extract[i].path)
		if !ok || raw == "null" {
			continue
		}
		if err == nil {
			raw, err = unquoted(raw)
		}
		if err != nil {
			r.fail(ParserError, err.Error())
			continue
		}
		r.addParsed(extract[i].Label, raw)
	}
}

var (
	errNoJSON = errors.New("the line does not begin as JSON does")
	errFound  = errors.New("found") // ends the walk
)

// find returns the raw value at a path. An error with ok is in the value, else in the line before it.
func (j *jsonReader) find(path []string) (raw string, ok bool, err error) {
	if len(path) == 0 {
		raw, err = j.value()
		return raw, true, err
	}
	var wrong error // with the value
	step := func(hit bool) error {
		if !hit {
			_, err := j.value()
			return err
		}
		if raw, ok, wrong = j.find(path[1:]); ok {
			return errFound
		}
		return wrong
	}
	switch {
	case j.at('{'):
		err = j.fields(func(key string) error { return step(key == path[0]) })
	case j.at('['):
		err = j.array(func(i int) error { return step(strconv.Itoa(i) == path[0]) })
	default:
		_, err = j.value()
	}
	if ok {
		return raw, true, wrong
	}
	return "", false, err
}
