package record

import (
	"bytes"
	"encoding/binary"

	"github.com/sluiceio/sluice/receivers/tail/multiline"
)

// joiner makes one record of several lines of a stream, by a rule.
type joiner struct {
	rule *multiline.Rule
	rest []byte // of the chunk, behind the current line; nil: unknown
	wait [noStream + 1]event
}

// event is a record that waits for its next line.
type event struct {
	open      bool
	inherited bool  // it began in another file
	start     int64 // offset of its first line
	time      uint64
	body      []byte
	lines     int
	touched   uint64 // when its last line came
	state     multiline.State
}

// whole is a line that would be a record of its own.
type whole struct {
	time      uint64
	source    int
	start     int64
	inherited bool
	body      []byte
}

// eventKept is the largest buffer that an event keeps for the next one.
const eventKept = 4 << 10

// Join sets the rule by which lines are joined; nil: not at all.
func (l *Lines) Join(rule *multiline.Rule) {
	if l.multi = nil; rule != nil {
		l.multi = &joiner{rule: rule}
	}
}

// take joins a line, or makes a record of it.
func (l *Lines) take(w *whole) {
	j := l.multi
	e := &j.wait[w.source]
	if e.open {
		joins, last := j.rule.Joins(&e.state, w.body)
		if joins && (e.lines >= j.rule.MaxLines || len(e.body)+1+len(w.body) > l.max) {
			state := e.state
			l.release(w.source)
			l.begin(e, w)
			e.state = state
		} else if joins {
			e.body = append(append(e.body, '\n'), withoutReturn(w.body)...)
			e.lines++
			e.touched = l.now
			e.inherited = e.inherited || w.inherited
		}
		if last {
			l.release(w.source)
		}
		if joins {
			return
		}
		l.release(w.source)
	}
	if !j.rule.Begin(&e.state, w.body) || len(w.body) > l.max {
		l.record(w.time, w.source, w.body)
		return
	}
	l.begin(e, w)
}

func (l *Lines) begin(e *event, w *whole) {
	*e = event{open: true, inherited: w.inherited, start: w.start, time: w.time, body: append(e.body[:0], withoutReturn(w.body)...), lines: 1, touched: l.now, state: e.state}
}

// largest is the size of the largest record that a line may complete.
func (j *joiner) largest() int {
	return max(len(j.wait[stdout].body), len(j.wait[stderr].body), len(j.wait[noStream].body))
}

func withoutReturn(body []byte) []byte { return bytes.TrimSuffix(body, []byte{'\r'}) }

// passes reports whether a line is a record of its own, by a look at what follows it if that is of the same stream: its header
// is as long, and ends alike. line is the physical line.
func (j *joiner) passes(source int, line, body []byte) bool {
	if j.wait[source].open {
		return false
	}
	rest := j.rest
	if head := len(line) - len(body); head > 0 {
		const streamAndTag = len("tdout F ") // without its first letter: as many bytes as a word has
		if head < streamAndTag || len(rest) <= head || binary.LittleEndian.Uint64(rest[head-streamAndTag:]) != binary.LittleEndian.Uint64(line[head-streamAndTag:]) {
			return false
		}
		rest = rest[head:]
	}
	return j.rule.Alone(body, rest)
}

// release makes the record of what waits.
func (l *Lines) release(source int) {
	e := &l.multi.wait[source]
	if !e.open {
		return
	}
	valid := l.valid
	l.valid = false // it was joined of several chunks
	l.record(e.time, source, e.body)
	l.valid = valid
	if e.body = e.body[:0]; cap(e.body) > eventKept {
		e.body = nil
	}
	*e = event{body: e.body}
}

// partWait is how long the rest of a container's line may take, in ns: a process that ends within a line leaves none.
const partWait = 30e9

// Due returns when something unfinished is to be released, in ns since 1970; 0: nothing waits. parts says whether lines of the
// runtime count: not those that may go on in the next file.
func (l *Lines) Due(parts bool) (at uint64) {
	sooner := func(open bool, t uint64) {
		if open && (at == 0 || t < at) {
			at = t
		}
	}
	for i := range l.parts {
		sooner(parts && l.parts[i].open, l.parts[i].touched+partWait)
	}
	if l.multi != nil {
		for i := range l.multi.wait {
			e := &l.multi.wait[i]
			sooner(e.open, e.touched+uint64(l.multi.rule.Flush))
		}
	}
	return at
}

// Release makes records of what is due at now, oldest line first.
func (l *Lines) Release(now uint64, parts bool) {
	for i := range l.parts {
		if p := &l.parts[i]; parts && p.open && p.touched+partWait <= now {
			l.finish(i)
		}
	}
	if l.multi == nil {
		return
	}
	for {
		first := -1
		for i := range l.multi.wait {
			e := &l.multi.wait[i]
			if e.open && e.touched+uint64(l.multi.rule.Flush) <= now && (first < 0 || e.start < l.multi.wait[first].start) {
				first = i
			}
		}
		if first < 0 {
			return
		}
		l.release(first)
	}
}

// Waiting returns how many records are unfinished, and their bytes.
func (l *Lines) Waiting() (records, size int) {
	for i := range l.parts {
		if l.parts[i].open {
			records++
			size += len(l.parts[i].body)
		}
	}
	if l.multi != nil {
		for i := range l.multi.wait {
			if l.multi.wait[i].open {
				records++
				size += len(l.multi.wait[i].body)
			}
		}
	}
	return records, size
}
