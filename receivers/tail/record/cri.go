package record

import "bytes"

// headed is one physical line of a container's log; body points into the line, or into memory of its parser.
type headed struct {
	time    uint64 // ns since 1970
	stream  uint8  // stdout or stderr
	partial bool   // the next line of the same stream continues the record
	body    []byte
}

const (
	stdout = iota
	stderr
	streams
)

// CRIHeaderMax limits the CRI header: the longest RFC 3339 time, stream, tags (only P and F exist) and spaces, with reserve.
const CRIHeaderMax = 128

// IsCRI reports whether a line, or its first CRIHeaderMax bytes, has a CRI header.
func IsCRI(line []byte) bool { return parseCRI(line, &clock{}, &headed{}) }

// parseCRI parses the header of a line without its newline, `<time> stdout|stderr P|F[:tags] <content>`. It returns false for any other format; then the line is
// delivered whole, as plain text. It fills l in place: returning the struct stalled for a third of the time per line.
func parseCRI(line []byte, c *clock, l *headed) bool {
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
	if len(rest) > 0 && rest[0] == ':' { // further tags, which no runtime writes yet
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
