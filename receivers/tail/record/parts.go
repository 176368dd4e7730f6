package record

// Parts are unfinished records of container logs by stream.
type Parts [streams]part

type part struct {
	open      bool
	inherited bool  // it began in another file
	start     int64 // offset of its first line
	time      uint64
	body      []byte // at most a little more than the limit
}

// join appends a line to its record. It keeps at most limit+2 bytes, so that partial lines cannot use unbounded memory; the two
// extra bytes make record truncate, even if the last is a carriage return.
func (p *part) join(c *headed, start int64, limit int) {
	if !p.open {
		*p = part{open: true, start: start, time: c.time, body: p.body[:0]}
	}
	p.body = append(p.body, c.body[:min(len(c.body), limit+2-len(p.body))]...)
}

// finish validates the whole body: it was cut at a byte, not at a character.
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

// FinishAll delivers unfinished records at the end of the file.
func (l *Lines) FinishAll() {
	for stream := range l.parts {
		l.finish(stream)
	}
}

// Open reports whether a record is unfinished.
func (l *Lines) Open() bool { return l.parts[stdout].open || l.parts[stderr].open }

// TakeParts returns the unfinished records and forgets them.
func (l *Lines) TakeParts() Parts {
	parts := l.parts
	l.parts = Parts{}
	return parts
}

// Inherit continues the unfinished records of the previous file, before anything is read of this one.
func (l *Lines) Inherit(parts Parts) {
	for i := range parts {
		parts[i].inherited, parts[i].start = parts[i].open, 0
	}
	l.parts = parts
}

// Owes reports whether a record from another file is unfinished.
func (l *Lines) Owes() bool {
	return l.parts[stdout].open && l.parts[stdout].inherited || l.parts[stderr].open && l.parts[stderr].inherited
}

// Resume returns where to restart so that every record not complete before next is seen again.
func (l *Lines) Resume(next int64) int64 {
	for i := range l.parts {
		if p := &l.parts[i]; p.open {
			next = min(next, p.start)
		}
	}
	return next
}
