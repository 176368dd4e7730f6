package http1

import "bytes"

// Head is the head of a request. The bytes are lent for the call.
type Head struct {
	Path     []byte
	Type     []byte // Content-Type
	Encoding []byte // Content-Encoding, may be empty
	Length   int    // of the body
	Peer     string // address of the client
	// RequestID is the first value of Sluice-Request-Id, the name that a sender of ours gives a request; may be empty.
	RequestID []byte

	fields []byte // all header lines, which are sound
}

// Values are the values of a header, as they came.
func (h *Head) Values(header string) (out []string) {
	for rest := h.fields; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		if name, value, _ := cutField(line); len(name) == len(header) && bytes.EqualFold(name, []byte(header)) {
			out = append(out, string(value))
		}
	}
	return out
}

// maxHead is the largest head that is not left to net/http, the smallest read buffer of a connection.
const maxHead = 4 << 10

// maxLength is the longest body that is not left to net/http, whose cost matters little for larger ones. It is also
// how much of an unread body net/http drains.
const maxLength = 256 << 10

const (
	method  = "POST "
	version = " HTTP/1.1"
)

type verdict int

const (
	more    verdict = iota // the beginning of a head that may be ours
	ours                   // one that is
	foreign                // net/http's
)

// parse reads the head at the beginning of b. n includes the empty line.
func parse(b []byte) (h Head, n int, v verdict) {
	var ok bool
	if k := min(len(b), len(method)); string(b[:k]) != method[:k] {
		return h, 0, foreign
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 && (len(b) >= maxHead || bareLF(b)) || end+4 > maxHead {
		return h, 0, foreign
	}
	if bytes.IndexByte(b, '\n') < 0 {
		return h, 0, more
	}
	line, fields := cutLine(b)
	if h.Path, ok = pathOf(line); !ok {
		return h, 0, foreign
	}
	if end < 0 {
		return h, 0, more
	}
	n, h.Length = end+4, -1
	fields = fields[:end+2-len(line)-2]
	h.fields = fields
	hosts, types, encodings, ids := 0, 0, 0, 0
	for len(fields) > 0 {
		line, fields = cutLine(fields)
		var name, value []byte
		if name, value, ok = cutField(line); !ok {
			return h, 0, foreign
		}
		switch kindOf(name) {
		case host:
			hosts++
			ok = plainHost(value)
		case contentType:
			h.Type = value
			types++
		case contentEncoding:
			h.Encoding = value
			encodings++
		case contentLength:
			ok = h.Length < 0
			if ok {
				h.Length, ok = parseLength(value)
			}
		case requestID:
			if ids++; ids == 1 {
				h.RequestID = value
			}
		case connection:
			ok = bytes.EqualFold(value, []byte("keep-alive"))
		case notOurs:
			ok = false
		}
		if !ok {
			return h, 0, foreign
		}
	}
	if hosts != 1 || types != 1 || encodings > 1 || h.Length < 0 {
		return h, 0, foreign
	}
	return h, n, ours
}

func bareLF(b []byte) bool {
	for i, c := range b {
		if c == '\n' && b[i-1] != '\r' { // the first is a letter
			return true
		}
	}
	return false
}

func pathOf(line []byte) (path []byte, ok bool) {
	if path, ok = bytes.CutSuffix(line, []byte(version)); !ok || len(path) < len(method) {
		return nil, false
	}
	path = path[len(method):]
	return path, plainPath(path)
}

func cutLine(b []byte) (line, rest []byte) {
	i := bytes.Index(b, []byte("\r\n"))
	return b[:i], b[i+2:]
}

// plainPath reports whether a request target is a path without escapes or a query.
func plainPath(b []byte) bool {
	if len(b) == 0 || b[0] != '/' {
		return false
	}
	for _, c := range b {
		if !alphanumeric(c) && c != '/' && c != '.' && c != '-' && c != '_' && c != '~' {
			return false
		}
	}
	return true
}

func plainHost(b []byte) bool {
	for _, c := range b {
		if !alphanumeric(c) && c != '.' && c != '-' && c != '_' && c != ':' && c != '[' && c != ']' {
			return false
		}
	}
	return len(b) > 0
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// parseLength accepts digits only, up to maxLength.
func parseLength(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' || n > maxLength {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, len(b) > 0 && n <= maxLength
}

// cutField divides a field line. It rejects names that are not tokens (folded lines, a space before the colon) and
// control characters in values.
func cutField(line []byte) (name, value []byte, ok bool) {
	i := bytes.IndexByte(line, ':')
	if i <= 0 {
		return nil, nil, false
	}
	for _, c := range line[:i] {
		if !alphanumeric(c) && c != '-' && c != '_' {
			return nil, nil, false
		}
	}
	value = bytes.Trim(line[i+1:], " \t")
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, false
		}
	}
	return line[:i], value, true
}

type kind int

const (
	harmless kind = iota
	host
	contentType
	contentEncoding
	contentLength
	connection
	requestID
	notOurs // changes how the message or the connection is to be read
)

// kindOf looks at the length first: most names are compared with nothing.
func kindOf(name []byte) kind {
	var want string
	k := harmless
	switch len(name) {
	case 4:
		want, k = "host", host
	case 6:
		want, k = "expect", notOurs
	case 7:
		want, k = "upgrade", notOurs
		if bytes.EqualFold(name, []byte("trailer")) {
			return notOurs
		}
	case 10:
		want, k = "connection", connection
	case 12:
		want, k = "content-type", contentType
	case 14:
		want, k = "content-length", contentLength
	case 16:
		want, k = "content-encoding", contentEncoding
	case 17:
		want, k = "transfer-encoding", notOurs
		if bytes.EqualFold(name, []byte("sluice-request-id")) {
			return requestID
		}
	default:
		return harmless
	}
	if !bytes.EqualFold(name, []byte(want)) {
		return harmless
	}
	return k
}
