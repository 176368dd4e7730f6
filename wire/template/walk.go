package template

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// walk is the state of one scrape. It is pooled, so that idle targets hold no buffers.
type walk struct {
	t   *Template
	res Result
	now uint64 // the scrape's time, ns
	max int64  // the latest timestamp that is taken, ms

	body   []byte   // of this scrape
	pos    int      // where the next line begins
	next   int      // the line of the last body expected there
	typ    typeCode // of the last TYPE before it
	left   int      // samples until the limit
	live   int      // placed series that have a sample in this scrape
	strict bool     // every line is for the parser: the format changed

	building bool // the lines differ from the last body's: out is their list
	prefix   int  // lines of the last body that were in lockstep before: the first ones of out
	out      []line
	metas    int  // comments of the last body that this one has too
	newMetas bool // this body has comments that the last one had not

	commentAt, commentEnd int // the last comments that were new and say a type

	parked  []parked // samples of series that have no bytes in otlp
	extra   []extra  // second samples of a series, with timestamps of their own
	regroup bool     // groups or loose points must be laid out anew
	limited bool     // the sample limit was hit

	exemplars []exemplarRef
	exbuf     []byte

	lineTable   table
	seriesTable table
	fixed       int    // how much of Template.otlp is in the request
	rest        []byte // the part of the request that is not otlp[:fixed]
	slow        slowPath
	lay         layout
}

var walks = sync.Pool{New: func() any { return new(walk) }}

// maxAhead is how far a timestamp may be in the future, as in Prometheus' scrape loop.
const maxAhead = 10 * time.Minute

var errEnd = io.EOF

func newWalk(t *Template, at time.Time) *walk {
	w := walks.Get().(*walk)
	w.t = t
	ms := at.UnixMilli()
	w.now = uint64(ms) * 1e6
	w.max = time.Now().Add(maxAhead).UnixMilli()
	w.left = math.MaxInt
	if t.set.SampleLimit > 0 {
		w.left = t.set.SampleLimit
	}
	return w
}

func (w *walk) release() {
	*w = walk{
		out: w.out[:0], parked: w.parked[:0], extra: w.extra[:0], exemplars: w.exemplars[:0], exbuf: w.exbuf[:0],
		lineTable: w.lineTable.emptied(), seriesTable: w.seriesTable.emptied(), rest: w.rest[:0],
		slow: w.slow.emptied(), lay: w.lay.emptied(),
	}
	walks.Put(w)
}

func (w *walk) walk(body []byte, f format) error {
	t := w.t
	if n := len(body); body[n-1] != '\n' && (f == formatText || n >= 5 && string(body[n-5:]) == "# EOF") {
		body = append(body, '\n') // so that every line ends with one; both parsers read it so
	}
	if len(body) == cap(body) {
		body = append(body, 0)[:len(body)] // room for a parser's newline
	}
	w.body = body
	if f != t.format || t.mixed {
		// Another format: equal bytes prove nothing. Series stay known by their text, as in Prometheus.
		w.strict, w.building, w.next = true, true, len(t.lines)
		t.format = f
	}
	for w.pos < len(w.body) {
		w.lockstep()
		if w.pos >= len(w.body) {
			break
		}
		if err := w.step(); errors.Is(err, errEnd) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if f == formatOpenMetrics {
		return fmt.Errorf("%w: data does not end with # EOF", ErrInvalid)
	}
	return nil
}

// lockstep takes lines while they are the last body's, in order, and only values changed. It is the hot path.
func (w *walk) lockstep() {
	t := w.t
	if w.strict {
		return
	}
	body, prev, lines, series, otlp := w.body, t.body, t.lines, t.series, t.otlp
	pos, next, iter, now, trust := w.pos, w.next, t.iter, w.now, !t.distrust
	begin, metas, kept, limit := next, 0, 0, w.left
loop:
	for next < len(lines) {
		l := &lines[next]
		off, n, key := int(l.off), int(l.n), int(l.key)
		rest := body[pos:]
		if l.flag != 0 || l.kind > kindDropped {
			break
		}
		// One comparison: of the whole line if the value was stable last time, else of the text before it.
		var bits uint64
		changed := l.lively || !trust || len(rest) < n || string(rest[:n]) != string(prev[off:off+n])
		if changed {
			if len(rest) < key || string(rest[:key]) != string(prev[off:off+key]) {
				break
			}
			if l.kind != kindMeta {
				var k int
				bits, k = parseValue(rest[key:])
				n = key + k + 1
				if k == 0 || n > len(rest) || rest[n-1] != '\n' {
					break
				}
				l.lively = true
			}
		}
		switch l.kind {
		case kindMeta:
			w.declare(typeCode(l.ref))
			metas++
		case kindPoint, kindMember:
			s := &series[l.ref]
			if s.seen == iter || s.wrote == iter || kept == limit {
				break loop
			}
			if l.kind == kindPoint {
				put64(otlp, s.val-timeBefore, now)
				if changed {
					l.lively = get64(otlp, s.val) != bits
					put64(otlp, s.val, bits)
				}
			} else if changed {
				l.lively = t.values[s.val] != bits
				t.values[s.val] = bits
				t.groups[s.group].changed = true
			}
			s.seen = iter
			kept++
		}
		if w.building {
			w.moved(l, pos, n)
		} else {
			l.off, l.n = uint32(pos), uint32(n)
		}
		pos += n
		next++
	}
	w.pos, w.next = pos, next
	w.metas += metas
	w.left -= kept
	w.live += kept
	w.res.Kept += kept
	w.res.Scraped += next - begin - metas
}

func (w *walk) declare(c typeCode) {
	if c != typeNone {
		w.typ = c
	}
}

// moved adds a line of the last body to this one's list.
func (w *walk) moved(l *line, pos, n int) {
	now := *l
	now.off, now.n = uint32(pos), uint32(n)
	l.flag |= flagUsed
	l.n = uint32(len(w.out)) // of no more use to the old line: where it is now
	w.out = append(w.out, now)
}

// build begins a new list of lines, because they differ from the last body's.
func (w *walk) build() {
	if !w.building {
		w.building, w.prefix = true, w.next
		w.out = append(w.out[:0], w.t.lines[:w.next]...)
	}
}

// step takes the line at pos, or finds where lockstep goes on.
func (w *walk) step() error {
	t := w.t
	for w.next < len(t.lines) && t.lines[w.next].flag&flagUsed != 0 {
		w.next++
	}
	if w.matches(w.next) {
		return w.known(w.next)
	}
	w.build()
	if w.isComment(w.pos) {
		return w.comments()
	}
	// Removed lines are few and adjacent; otherwise there is the table.
	for j := w.next + 1; !w.lineTable.built && j <= w.next+lookAhead && j < len(t.lines); j++ {
		if w.matches(j) {
			return w.known(j)
		}
	}
	ser, val, ok := splitLine(w.body[w.pos:], t.format)
	if ok && !w.strict {
		if j, old, found := w.find(w.body[w.pos : w.pos+ser]); found {
			if old && t.lines[j].flag&flagUsed == 0 && int(t.lines[j].key) == val {
				return w.known(j)
			}
			return w.parse(lineIndex{j, old})
		}
	}
	return w.parse(noLine)
}

// lookAhead is how many lines may be missing before the table is used.
const lookAhead = 8

// matches reports whether line j of the last body, not yet found, is at pos up to its value.
func (w *walk) matches(j int) bool {
	t := w.t
	if w.strict || j >= len(t.lines) {
		return false
	}
	l := &t.lines[j]
	rest := w.body[w.pos:]
	return l.flag&(flagUsed|flagBare) == 0 && len(rest) >= int(l.key) &&
		string(rest[:l.key]) == string(t.body[l.off:l.off+l.key])
}

func (w *walk) known(j int) error {
	t := w.t
	l := &t.lines[j]
	w.next = j
	switch l.kind {
	case kindMeta:
		w.declare(typeCode(l.ref))
		w.metas++
		w.consume(l, int(l.n))
		return nil
	case kindEnd:
		if w.pos+int(l.n) != len(w.body) {
			return fmt.Errorf("%w: unexpected data after # EOF", ErrInvalid)
		}
		w.consume(l, int(l.n))
		return errEnd
	}
	at := w.pos + int(l.key)
	bits, k := parseValue(w.body[at:])
	if k == 0 {
		return w.parse(lineIndex{j, true})
	}
	end, ms, stamped := tail(w.body, at+k, t.format)
	if end == 0 {
		return w.parse(lineIndex{j, true})
	}
	now := *l
	now.off = uint32(w.pos)
	now.flag &^= flagExemplar
	w.res.Scraped++
	if l.kind != kindDropped {
		w.add(&now, sample{bits: bits, ms: ms, stamped: stamped && t.set.HonorTimestamps}, true)
	}
	l.kind, l.flag = now.kind, now.flag
	w.consume(l, end-w.pos)
	return nil
}

func (w *walk) consume(l *line, n int) {
	w.next++
	if w.building {
		w.moved(l, w.pos, n)
	} else {
		l.off, l.n = uint32(w.pos), uint32(n)
	}
	w.pos += n
}
