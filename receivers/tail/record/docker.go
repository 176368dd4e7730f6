package record

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// dockerLineMax is the longest line that dockerd's json-file driver writes: 16 KiB of output, each byte of which may be
// escaped as six, with time, stream and a few kilobytes of attributes (labels, environment).
const dockerLineMax = 6*16<<10 + 8<<10

// IsDocker reports whether a whole line is one of Docker's json-file format.
func IsDocker(line []byte) bool { return parseDocker(line, &docker{clock: &clock{}}, &headed{}) }

// docker is what a file's parser of Docker's lines uses.
type docker struct {
	clock *clock
	text  []byte // an unescaped body; lent until the next line
}

// dockerLog begins each line of dockerd; its other keys are stream, attrs (rarely) and time, in this order.
const dockerLog = `{"log":"`

// parseDocker parses {"log":"text\n","stream":"stdout","time":"2006-01-02T15:04:05.999999999Z"}, keys in any order, others
// ignored. A text without a line end is partial. It returns false for any other line.
func parseDocker(line []byte, d *docker, l *headed) bool {
	if len(line) > len(dockerLog) && string(line[:len(dockerLog)]) == dockerLog {
		rest := line[len(dockerLog):]
		if n, ok := stringEnd(rest); ok && d.head(rest[n+1:], l) {
			return d.body(rest[:n], l)
		}
	}
	return d.anyOrder(line, l)
}

// head parses what dockerd writes behind the text.
func (d *docker) head(s []byte, l *headed) bool {
	const stream, time, end = `,"stream":"`, `","time":"`, `"}`
	const name, at = len(stream), len(stream) + len("stdout") + len(time)
	if len(s) < at+len(end) || string(s[:name]) != stream || string(s[at-len(time):at]) != time || string(s[len(s)-len(end):]) != end {
		return false
	}
	source, known := streamOf(s[name : name+len("stdout")])
	s = s[at : len(s)-len(end)]
	ns, n, ok := d.clock.parse(s)
	l.time, l.stream = ns, source
	return known && ok && n == len(s)
}

func streamOf(name []byte) (stream uint8, ok bool) {
	switch string(name) {
	case "stdout":
		return stdout, true
	case "stderr":
		return stderr, true
	}
	return 0, false
}

// body undoes the escapes of a text and takes its line end, which says that the record is complete.
func (d *docker) body(text []byte, l *headed) bool {
	escape := bytes.IndexByte(text, '\\')
	if escape < 0 {
		l.body, l.partial = text, true
		return true
	}
	if escape == len(text)-2 && text[escape+1] == 'n' {
		l.body, l.partial = text[:escape], false
		return true
	}
	var ok bool
	if d.text, ok = appendUnescaped(d.text[:0], text, escape); !ok {
		return false
	}
	l.body, l.partial = d.text, true
	if n := len(l.body); n > 0 && l.body[n-1] == '\n' {
		l.body, l.partial = l.body[:n-1], false
	}
	return true
}

// anyOrder parses an object whose keys are in another order, or that has more of them.
func (d *docker) anyOrder(line []byte, l *headed) bool {
	s := object{rest: bytes.TrimRight(line, " \t\r")}
	var text []byte
	var haveText, haveStream, haveTime bool
	for s.next() {
		value, isText := s.text()
		switch string(s.key) {
		case "log":
			text, haveText = value, isText
		case "stream":
			l.stream, haveStream = streamOf(value)
			haveStream = haveStream && isText
		case "time":
			var n int
			l.time, n, haveTime = d.clock.parse(value)
			haveTime = haveTime && isText && n == len(value)
		}
	}
	return s.whole && haveText && haveStream && haveTime && d.body(text, l)
}

// object walks the members of a JSON object without recursion. Values of other members than strings are passed over by
// their brackets, not checked.
type object struct {
	rest  []byte
	key   []byte // of the last member, as it stands
	value []byte // with its quotes or brackets
	begun bool
	whole bool // the object ended where the text does
}

func (o *object) next() bool {
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
	n, ok := stringEnd(o.rest[1:])
	if !ok {
		return false
	}
	o.key, o.rest = o.rest[1:1+n], o.rest[n+2:]
	if o.blank(); len(o.rest) == 0 || o.rest[0] != ':' {
		return false
	}
	o.rest = o.rest[1:]
	o.blank()
	n = valueEnd(o.rest)
	if n == 0 {
		return false
	}
	o.value, o.rest = o.rest[:n], o.rest[n:]
	return true
}

func (o *object) blank() {
	for len(o.rest) > 0 && (o.rest[0] == ' ' || o.rest[0] == '\t' || o.rest[0] == '\r' || o.rest[0] == '\n') {
		o.rest = o.rest[1:]
	}
}

// text is the last member's value between its quotes.
func (o *object) text() (s []byte, ok bool) {
	if o.value[0] != '"' {
		return nil, false
	}
	return o.value[1 : len(o.value)-1], true
}

// valueEnd returns the length of the JSON value that s begins with; 0 if there is none.
func valueEnd(s []byte) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			n, ok := stringEnd(s[i+1:])
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

// stringEnd returns where the quote is that ends a JSON string; s begins behind the first one.
func stringEnd(s []byte) (n int, ok bool) {
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

// appendUnescaped appends a JSON string's text; its first backslash is at from. Halves of surrogate pairs become U+FFFD, as
// encoding/json makes them.
func appendUnescaped(dst, s []byte, from int) (text []byte, ok bool) {
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
