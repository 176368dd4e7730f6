package record

import "bytes"

// criLine is one physical line of the CRI log format, `<time> stdout|stderr P|F[:tags] <content>`, as views into
// the line.
type criLine struct {
	time    uint64 // ns since 1970
	stream  uint8  // stdout or stderr
	partial bool   // P: the record goes on in the next line of the same stream
	body    []byte
}

const (
	stdout = iota
	stderr
	streams
)

// CRIHeaderMax bounds what stands before the content of a CRI line: the longest RFC 3339 time, the stream, the
// tags (only P and F are in use) and the spaces, with room to spare.
const CRIHeaderMax = 128

// IsCRI says whether a line, or a beginning of CRIHeaderMax bytes, has a CRI header.
func IsCRI(line []byte) bool { return parseCRI(line, &clock{}, &criLine{}) }

// parseCRI reads the header of a line without its newline. It answers false for anything that is not exactly the
// format, and then the line is delivered whole, as plain text. The result is filled in place: returned, its copy
// right after its fields were written stalled for a third of the whole time a line takes.
func parseCRI(line []byte, c *clock, l *criLine) bool {
	t, n, ok := c.parse(line)
	// The shortest rest is " stdout F".
	if !ok || len(line) < n+9 || line[n] != ' ' {
		return false
	}
	rest := line[n+1:]
	var stream uint8
	switch string(rest[:7]) {
	case "stdout ":
	case "stderr ":
		stream = stderr
	default:
		return false
	}
	partial := false
	switch rest[7] {
	case 'F':
	case 'P':
		partial = true
	default:
		return false
	}
	rest = rest[8:]
	if len(rest) > 0 && rest[0] == ':' { // further tags, which nobody writes yet
		end := bytes.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		rest = rest[end:]
	}
	if len(rest) > 0 {
		if rest[0] != ' ' {
			return false
		}
		rest = rest[1:]
	}
	l.time, l.stream, l.partial, l.body = t, stream, partial, rest
	return true
}
