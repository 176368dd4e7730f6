package record

import (
	"bytes"

	"github.com/sluiceio/sluice/receivers/tail/jsontext"
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
		if n, ok := jsontext.StringEnd(rest); ok && d.head(rest[n+1:], l) {
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
	if d.text, ok = jsontext.AppendUnescaped(d.text[:0], text, escape); !ok {
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
	s := jsontext.Walk(bytes.TrimRight(line, " \t\r"))
	var text []byte
	var haveText, haveStream, haveTime bool
	for s.Next() {
		value, isText := s.Text()
		switch string(s.Key) {
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
	return s.Whole() && haveText && haveStream && haveTime && d.body(text, l)
}
