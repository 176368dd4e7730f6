// Package record makes log records out of lines: the bytes of a file, once, into the bytes of an OTLP request.
//
// lines.go owns the rules of a line, cri.go and clock.go read the header of container logs, batch.go appends the record,
// envelope.go is what surrounds the records of one file.
package record

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

// How a file's lines are understood.
const (
	FormatAuto  = "auto" // a pod's path means CRI, and elsewhere each file's first line decides
	FormatPlain = "plain"
	FormatCRI   = "cri"
)

// Attributes are the encoded attributes of a record, by what is known about its line.
type Attributes [noStream + 1][2][]byte // by source; by whether it was truncated

// noStream stands beside stdout and stderr for a line that names no stream.
const noStream = streams

// NewAttributes encodes them. One serves all files.
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

// Lines turns the physical lines of one file into records. It owns the rules: line ends, NUL bytes, the CRI
// header, partial lines, the length limit, UTF-8. It holds nothing but unfinished CRI records.
type Lines struct {
	cri        bool // lines have a CRI header
	auto       bool // the next line decides
	max        int  // of a record's body, in bytes
	attributes *Attributes
	clock      clock
	observed   uint64 // ns; rises with each record, so that a destination that sorts by time keeps the file's order
	parts      Parts
	counts     Counts

	out     *Batch // where records go
	valid   bool   // the line at hand is known to be UTF-8
	scratch []byte // a repaired body
}

// Parts are the unfinished CRI records of a file, by stream.
type Parts [streams]part

// part is a CRI record of which only P lines were seen so far.
type part struct {
	open      bool
	inherited bool  // it began in another file
	start     int64 // where its first line begins
	time      uint64
	body      []byte // at most a little more than the limit
}

// Counts is what happened since the counts were last taken.
type Counts struct {
	Lines     int // records made
	Truncated int // records cut at the limit
	Repaired  int // records with invalid UTF-8
	Malformed int // lines of a CRI file without a CRI header, delivered whole
	NULs      int // NUL bytes skipped
}

// NewLines makes plain-text lines into records of at most maxBytes of body.
func NewLines(maxBytes int, attributes *Attributes) Lines {
	return Lines{max: maxBytes, attributes: attributes}
}

// SetCRI says that the lines have a CRI header.
func (l *Lines) SetCRI() { l.cri = true }

// CRI says whether they have.
func (l *Lines) CRI() bool { return l.cri }

// SetAuto says that the next line decides whether they have.
func (l *Lines) SetAuto() { l.auto = true }

// To makes b the batch that records go to. now is the time at which they are observed, ns since 1970.
func (l *Lines) To(b *Batch, now uint64) {
	l.out = b
	l.observed = max(l.observed, now)
}

// Take appends the complete lines of chunk, which stands at offset base of the file, until the batch is full.
// It returns how many bytes are dealt with: always a whole number of lines.
func (l *Lines) Take(chunk []byte, base int64) (used int, full bool) {
	end := bytes.LastIndexByte(chunk, '\n') + 1
	chunk = chunk[:end]
	// Newlines, header and body boundaries are ASCII: when the chunk is valid, each body is.
	l.valid = utf8.Valid(chunk)
	at := 0
	for at < end {
		n := bytes.IndexByte(chunk[at:], '\n')
		if !l.Fits(n) {
			return at, true
		}
		l.line(chunk[at:at+n], base+int64(at))
		at += n + 1
	}
	return at, false
}

// Fits says whether the batch has room for whatever a line of n bytes completes.
func (l *Lines) Fits(n int) bool {
	return l.out.fits(n + len(l.parts[stdout].body) + len(l.parts[stderr].body))
}

// Line appends one line that Take did not see whole: the beginning of one that is too long, or the last without a newline.
func (l *Lines) Line(line []byte, start int64) {
	l.valid = false
	l.line(line, start)
}

// SkipNULs counts NUL bytes that were skipped between lines.
func (l *Lines) SkipNULs(n int) { l.counts.NULs += n }

// TakeCounts is what was counted since it was last called.
func (l *Lines) TakeCounts() Counts {
	c := l.counts
	l.counts = Counts{}
	return c
}

// line deals with one physical line, without its newline, that begins at offset start.
func (l *Lines) line(line []byte, start int64) {
	if start == 0 {
		line = bytes.TrimPrefix(line, []byte("\uFEFF"))
	}
	if len(line) > 0 && line[0] == 0 {
		// A writer without O_APPEND goes on at its old offset after copytruncate: the hole before it reads as NULs.
		trimmed := bytes.TrimLeft(line, "\x00")
		l.counts.NULs += len(line) - len(trimmed)
		line = trimmed
	}
	if l.auto {
		l.auto, l.cri = false, IsCRI(line)
	}
	if !l.cri {
		l.record(0, noStream, line)
		return
	}
	var c criLine
	if !parseCRI(line, &l.clock, &c) {
		l.counts.Malformed++
		l.record(0, noStream, line)
		return
	}
	p := &l.parts[c.stream]
	if !p.open && !c.partial {
		l.record(c.time, int(c.stream), c.body)
		return
	}
	p.join(&c, start, l.max)
	if !c.partial {
		l.finish(int(c.stream))
	}
}

// join appends a line to the record it belongs to. The limit is kept here, so that ten thousand P lines cost no more
// memory than one; two bytes over it are kept as the sign that record cuts, also when the last is a carriage return.
func (p *part) join(c *criLine, start int64, limit int) {
	if !p.open {
		*p = part{open: true, start: start, time: c.time, body: p.body[:0]}
	}
	p.body = append(p.body, c.body[:min(len(c.body), limit+2-len(p.body))]...)
}

// finish delivers a joined record. Its fragments were cut at a byte, not at a character, so the whole is what must
// be valid.
func (l *Lines) finish(stream int) {
	p := &l.parts[stream]
	if !p.open {
		return
	}
	valid := l.valid
	l.valid = false
	l.record(p.time, stream, p.body)
	l.valid = valid
	*p = part{body: p.body[:0]}
}

// FinishAll delivers what is unfinished: the file has ended.
func (l *Lines) FinishAll() {
	for stream := range l.parts {
		l.finish(stream)
	}
}

// Open says whether a CRI record is unfinished.
func (l *Lines) Open() bool { return l.parts[stdout].open || l.parts[stderr].open }

// TakeParts gives away what is unfinished.
func (l *Lines) TakeParts() Parts {
	parts := l.parts
	l.parts = Parts{}
	return parts
}

// Inherit goes on with what was unfinished in the file before this one, of which nothing is read yet.
func (l *Lines) Inherit(parts Parts) {
	for i := range parts {
		parts[i].inherited, parts[i].start = parts[i].open, 0
	}
	l.parts = parts
}

// Owes says whether a record is unfinished that began in another file.
func (l *Lines) Owes() bool {
	return l.parts[stdout].open && l.parts[stdout].inherited || l.parts[stderr].open && l.parts[stderr].inherited
}

// Restart forgets the file's content: what is unfinished, and whether it is CRI. Observed times go on rising.
func (l *Lines) Restart() {
	*l = Lines{max: l.max, attributes: l.attributes, observed: l.observed}
}

// Resume is where reading has to begin to see every record again that is not complete before next.
func (l *Lines) Resume(next int64) int64 {
	for i := range l.parts {
		if p := &l.parts[i]; p.open {
			next = min(next, p.start)
		}
	}
	return next
}

// record appends one log record.
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
	l.out.add(time, l.observed, l.attributes[source][truncated], body)
}

// cutAt is the last place at or before limit where body can be cut without halving a character.
func cutAt(body []byte, limit int) int {
	for n := limit; n > limit-utf8.UTFMax && n > 0; n-- {
		if utf8.RuneStart(body[n]) {
			return n
		}
	}
	return limit
}

// appendRepaired appends body with each run of invalid bytes replaced by one U+FFFD, as bytes.ToValidUTF8 does and
// package wire too.
func appendRepaired(dst, body []byte) []byte {
	good := 0 // where the valid run that is not copied yet begins
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
