package record

// Parts are unfinished records by stream: of container logs, and of joined lines.
type Parts struct {
	lines  [streams]part
	events [noStream + 1]event
}

type part struct {
	open      bool
	inherited bool  // it began in another file
	start     int64 // offset of its first line
	time      uint64
	touched   uint64 // when its last line came, ns since 1970
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
	if l.multi == nil {
		l.record(p.time, stream, p.body)
	} else {
		l.take(&whole{time: p.time, source: stream, start: p.start, inherited: p.inherited, body: p.body})
	}
	l.valid = valid
	*p = part{body: p.body[:0]}
}

// FinishAll delivers unfinished records at the end of the file.
func (l *Lines) FinishAll() {
	for stream := range l.parts {
		l.finish(stream)
	}
	if l.multi != nil {
		for source := range l.multi.wait {
			l.release(source)
		}
	}
}

// Open reports whether a record is unfinished.
func (l *Lines) Open() bool {
	if l.parts[stdout].open || l.parts[stderr].open {
		return true
	}
	return l.multi != nil && (l.multi.wait[stdout].open || l.multi.wait[stderr].open || l.multi.wait[noStream].open)
}

// TakeParts returns the unfinished records and forgets them.
func (l *Lines) TakeParts() Parts {
	p := Parts{lines: l.parts}
	l.parts = [streams]part{}
	if l.multi != nil {
		p.events = l.multi.wait
		l.multi.wait = [noStream + 1]event{}
	}
	return p
}

// Inherit continues the unfinished records of the previous file, before anything is read of this one.
func (l *Lines) Inherit(p Parts) {
	for i := range p.lines {
		p.lines[i].inherited, p.lines[i].start = p.lines[i].open, 0
	}
	l.parts = p.lines
	if l.multi == nil {
		return // both files have one path, and so one rule
	}
	for i := range p.events {
		p.events[i].inherited, p.events[i].start = p.events[i].open, 0
	}
	l.multi.wait = p.events
}

// Owes reports whether a record from another file is unfinished.
func (l *Lines) Owes() bool {
	for i := range l.parts {
		if l.parts[i].open && l.parts[i].inherited {
			return true
		}
	}
	if l.multi != nil {
		for i := range l.multi.wait {
			if l.multi.wait[i].open && l.multi.wait[i].inherited {
				return true
			}
		}
	}
	return false
}

// Resume returns where to restart so that every record not complete before next is seen again.
func (l *Lines) Resume(next int64) int64 {
	for i := range l.parts {
		if p := &l.parts[i]; p.open {
			next = min(next, p.start)
		}
	}
	if l.multi != nil {
		for i := range l.multi.wait {
			if e := &l.multi.wait[i]; e.open {
				next = min(next, e.start)
			}
		}
	}
	return next
}
