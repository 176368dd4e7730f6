// Package record turns lines into log records: it copies a file's bytes once, into an OTLP request.
//
// lines.go has the rules for lines, format.go how they are read, parts.go records of several lines, cri.go, docker.go and
// clock.go parse the headers of container logs, batch.go appends records, envelope.go encodes what those of a file share.
package record

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluiceio/sluice/receivers/tail/detect"
	"github.com/sluiceio/sluice/wire"
)

// Attributes are encoded attributes by stream and truncation.
type Attributes [noStream + 1][2][]byte // [stream][truncated]

// noStream is the index of lines without a stream.
const noStream = streams

// NewAttributes encodes them; all files share one.
func NewAttributes() *Attributes {
	var s Attributes
	for source := range s {
		for _, truncated := range []int{0, 1} {
			var a []byte
			if source != noStream {
				a = wire.AppendStringAttribute(a, wire.FieldLogAttributes, "log.iostream", []string{stdout: "stdout", stderr: "stderr"}[source])
			}
			if truncated == 1 {
				a = wire.AppendBoolAttribute(a, wire.FieldLogAttributes, "log.truncated", true)
			}
			s[source][truncated] = a
		}
	}
	return &s
}

// Lines turns the physical lines of one file into records: line ends, NUL bytes, the headers of container logs, partial
// lines, the length limit and UTF-8. It buffers only unfinished records.
type Lines struct {
	format     format
	auto       bool // the next line decides the format
	pod        bool // it is a container's log: each line may be CRI's or Docker's
	max        int  // body limit in bytes
	attributes *Attributes
	clock      clock
	observed   uint64 // ns; rises with each record, so that sorting by time keeps the file's order
	unescaped  []byte // see docker.text
	now        uint64 // of the last To
	parts      [streams]part
	multi      *joiner // nil: lines are not joined
	detect     int     // of package detect: what is looked for in bodies
	counts     Counts

	out     *Batch // where records go
	valid   bool   // the current line is known to be UTF-8
	scratch []byte // a repaired body
}

// Counts are the events since the last TakeCounts.
type Counts struct {
	Lines     int // records made
	Truncated int // records cut at the limit
	Repaired  int // records with invalid UTF-8
	Malformed int // lines of a container log that are not of its format, delivered whole
	NULs      int // NUL bytes skipped
}

// NewLines returns Lines for plain text, with bodies of at most maxBytes.
func NewLines(maxBytes int, attributes *Attributes) Lines {
	return Lines{max: maxBytes, attributes: attributes}
}

// Detect sets what is looked for in bodies: constants of package detect, or 0.
func (l *Lines) Detect(wanted int) { l.detect = wanted }

// To sets the batch that receives records, and their observed time in ns since 1970.
func (l *Lines) To(b *Batch, now uint64) {
	l.out = b
	l.now = max(l.now, now)
	l.observed = max(l.observed, now)
}

// Take appends the complete lines of chunk, which starts at file offset base, until the batch is full. It returns the bytes
// consumed, always whole lines.
func (l *Lines) Take(chunk []byte, base int64) (used int, full bool) {
	end := bytes.LastIndexByte(chunk, '\n') + 1
	chunk = chunk[:end]
	// Line and header boundaries are ASCII: if the chunk is valid UTF-8, so is each body.
	l.valid = utf8.Valid(chunk)
	at := 0
	for at < end {
		n := bytes.IndexByte(chunk[at:], '\n')
		if !l.Fits(n) {
			return at, true
		}
		if l.multi != nil {
			l.multi.rest = chunk[at+n+1:]
		}
		l.line(chunk[at:at+n], base+int64(at))
		at += n + 1
	}
	return at, false
}

// Fits reports whether there is room for all that a line of n bytes completes.
func (l *Lines) Fits(n int) bool {
	n += len(l.parts[stdout].body) + len(l.parts[stderr].body)
	if l.multi != nil {
		n += l.multi.largest()
	}
	return l.out.fits(n)
}

// Line appends a line that Take did not see whole: the start of an overlong one, or a last one without newline.
func (l *Lines) Line(line []byte, start int64) {
	l.valid = false
	if l.multi != nil {
		l.multi.rest = nil
	}
	l.line(line, start)
}

// SkipNULs counts n NUL bytes skipped between lines.
func (l *Lines) SkipNULs(n int) { l.counts.NULs += n }

// TakeCounts returns and resets the counts.
func (l *Lines) TakeCounts() Counts {
	c := l.counts
	l.counts = Counts{}
	return c
}

// line processes one line, without its newline, at offset start.
func (l *Lines) line(line []byte, start int64) {
	if start == 0 {
		line = bytes.TrimPrefix(line, []byte("\uFEFF"))
	}
	if len(line) > 0 && line[0] == 0 {
		// After copytruncate, a writer without O_APPEND continues at its old offset: the hole reads as NULs.
		trimmed := bytes.TrimLeft(line, "\x00")
		l.counts.NULs += len(line) - len(trimmed)
		line = trimmed
	}
	if l.auto {
		l.decide(line)
	}
	if l.format == plainText {
		if l.multi == nil || l.multi.passes(noStream, line, line) {
			l.record(0, noStream, line)
			return
		}
		l.take(&whole{source: noStream, start: start, body: line})
		return
	}
	var c headed
	if !(l.format == criLines && parseCRI(line, &l.clock, &c)) && !l.parse(line, &c) {
		l.counts.Malformed++
		l.record(0, noStream, line)
		return
	}
	p := &l.parts[c.stream]
	if !p.open && !c.partial {
		// Docker's header does not tell where the next line's body is.
		if l.multi == nil || l.format == criLines && l.multi.passes(int(c.stream), line, c.body) {
			l.record(c.time, int(c.stream), c.body)
			return
		}
		l.take(&whole{time: c.time, source: int(c.stream), start: start, body: c.body})
		return
	}
	p.join(&c, start, l.max)
	p.touched = l.now
	if !c.partial {
		l.finish(int(c.stream))
	}
}

// Restart forgets unfinished records and the format. Observed times keep rising.
func (l *Lines) Restart() {
	*l = Lines{max: l.max, attributes: l.attributes, observed: l.observed, detect: l.detect}
}

func (l *Lines) record(time uint64, source int, body []byte) {
	if n := len(body); n > 0 && body[n-1] == '\r' {
		body = body[:n-1]
	}
	truncated := 0
	if len(body) > l.max {
		body = body[:cutAt(body, l.max)]
		truncated = 1
		l.counts.Truncated++
	}
	if !l.valid && !utf8.Valid(body) {
		l.scratch = appendRepaired(l.scratch[:0], body)
		body = l.scratch
		l.counts.Repaired++
	}
	l.counts.Lines++
	l.observed++
	if l.detect != 0 && detect.May(body) {
		var f detect.Found
		if detect.Line(body, l.detect, &f) {
			l.out.addFound(time, l.observed, l.attributes[source][truncated], body, &f)
			return
		}
	}
	l.out.add(time, l.observed, l.attributes[source][truncated], body)
}

// cutAt returns the last place up to limit that does not split a character.
func cutAt(body []byte, limit int) int {
	for n := limit; n > limit-utf8.UTFMax && n > 0; n-- {
		if utf8.RuneStart(body[n]) {
			return n
		}
	}
	return limit
}

// appendRepaired replaces each run of invalid bytes by one U+FFFD, like bytes.ToValidUTF8.
func appendRepaired(dst, body []byte) []byte {
	good := 0 // start of the valid run that is not copied yet
	bad := false
	for i := 0; i < len(body); {
		if body[i] < utf8.RuneSelf {
			i, bad = i+1, false
			continue
		}
		r, n := utf8.DecodeRune(body[i:])
		if r != utf8.RuneError || n != 1 {
			i, bad = i+n, false
			continue
		}
		dst = append(dst, body[good:i]...)
		if !bad {
			dst = utf8.AppendRune(dst, utf8.RuneError)
		}
		i, bad = i+1, true
		good = i
	}
	return append(dst, body[good:]...)
}
