package template

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// slowPath is for unknown lines: Prometheus' parser, labels, relabelling.
type slowPath struct {
	text    []byte // a body of one line for the parser
	symbols *labels.SymbolTable
	builder *labels.Builder
	lset    labels.Labels // of the line in hand, after relabelling
	name    string        // of the line in hand, before relabelling
	buf     []byte

	run   textparse.Parser // reads the body itself, from runAt on
	runAt int
}

func (s slowPath) emptied() slowPath {
	return slowPath{text: s.text[:0], buf: s.buf[:0], symbols: s.symbols, builder: s.builder}
}

// append adds the line at pos to out, and moves on.
func (w *walk) append(l line) {
	w.out = append(w.out, l)
	w.pos += int(l.n)
	w.index()
}

// parser makes a parser for body[from:to] in the state it would have there, which is the last type. In the text
// format, more is appended.
func (w *walk) parser(from, to int, more string) textparse.Parser {
	s := &w.slow
	s.text = append(s.text[:0], w.typ.preamble()...)
	s.text = append(s.text, w.body[from:to]...)
	if w.t.format == formatText {
		s.text = append(s.text, more...)
		s.text = append(s.text, '\n')[:len(s.text)]
	} else if to < len(w.body) {
		s.text = append(s.text, "# EOF\n"...)
	}
	p := w.newParser(s.text)
	if w.typ.preamble() != "" {
		_, _ = p.Next()
	}
	return p
}

// newParser makes a parser of text. The text format's appends a newline, so leave room for it, or it copies.
func (w *walk) newParser(text []byte) textparse.Parser {
	s := &w.slow
	if s.symbols == nil {
		s.symbols = labels.NewSymbolTable()
		s.builder = labels.NewBuilder(labels.EmptyLabels())
	}
	if w.t.format == formatOpenMetrics {
		return textparse.NewOpenMetricsParser(text, s.symbols)
	}
	return textparse.NewPromParser(text, s.symbols, false)
}

// parse takes the line at pos with Prometheus' parser. x is the known line with the same text, if any.
func (w *walk) parse(x lineIndex) error {
	if !x.old || x.i != w.next {
		w.build()
	}
	w.res.Parsed++
	p, running := w.parserFor(x)
	e, err := p.Next()
	for running && err == nil && e != textparse.EntrySeries {
		e, err = p.Next()
	}
	if errors.Is(err, io.EOF) {
		return w.parsedEnd()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if e != textparse.EntrySeries {
		return fmt.Errorf("%w: cannot find the end of the line %.100q", ErrInvalid, w.body[w.pos:])
	}
	met, ts, v := p.Series()
	at := cap(w.slow.text) - cap(met) - len(w.typ.preamble())
	if running {
		at = cap(w.body) - cap(met) - w.pos
	}
	if at != 0 {
		return fmt.Errorf("%w: cannot find the start of the line %.100q", ErrInvalid, w.body[w.pos:])
	}
	val := skipBlanks(w.body, w.pos+len(met)) - w.pos
	n := bytes.IndexByte(w.body[w.pos+val:], '\n')
	if n < 0 {
		n = len(w.body) - w.pos - val - 1 // the end of an OpenMetrics body that lacks # EOF
	}
	w.res.Scraped++
	s := sample{bits: math.Float64bits(v), parser: p}
	if ts != nil && w.t.set.HonorTimestamps {
		s.ms, s.stamped = *ts, true
	}
	l := line{off: uint32(w.pos), n: uint32(val + n + 1), key: uint32(val), kind: kindSlow}
	if isNameByte(w.body[w.pos+val-1]) {
		l.flag = flagBare // as in "a-1"
	}
	if err := w.parsed(x, l, s); err != nil {
		return err
	}
	if running {
		w.slow.runAt = w.pos
		return nil
	}
	// The OpenMetrics parser sees some faults only at the next line.
	if w.t.format == formatOpenMetrics && w.pos < len(w.body) {
		if _, err := p.Next(); !errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	return nil
}

// parserFor makes a parser for the line at pos: for runs of new lines, one that reads on without copies; else for
// one line.
func (w *walk) parserFor(x lineIndex) (p textparse.Parser, running bool) {
	_, val, ok := splitLine(w.body[w.pos:], w.t.format)
	to := min(len(w.body), w.pos+window)
	plain := ok && w.t.format == formatText
	if ok {
		if n := bytes.IndexByte(w.body[w.pos+val:], '\n'); n >= 0 {
			to = w.pos + val + n + 1
		}
		if _, k := parseValue(w.body[w.pos+val:]); k > 0 && !plain {
			end, _, _ := tail(w.body, w.pos+val+k, w.t.format)
			plain = end > 0
		}
	}
	s := &w.slow
	if !plain || x != noLine {
		return w.parser(w.pos, to, ""), false
	}
	if s.run != nil && s.runAt == w.pos {
		return s.run, true
	}
	from := w.pos
	if w.typ.preamble() != "" {
		if w.commentEnd != w.pos {
			return w.parser(w.pos, to, ""), false
		}
		from = w.commentAt // begin with the comments, which say the type
	}
	s.run = w.newParser(w.body[from:])
	return s.run, true
}

// parsedEnd ends the walk where the parser does: at # EOF, or in the text format at a NUL at the start of a line or
// in a comment.
func (w *walk) parsedEnd() error {
	n := len(w.body) - w.pos
	if w.t.format == formatOpenMetrics {
		w.append(line{off: uint32(w.pos), n: uint32(n), key: uint32(n), kind: kindEnd})
	}
	w.pos = len(w.body)
	return errEnd
}

func (w *walk) parsed(x lineIndex, l line, s sample) error {
	if x == noLine {
		if i, old, found := w.find(rawOf(w.body, &l)); found {
			x = lineIndex{i, old}
		}
	}
	if x == noLine {
		if err := w.resolve(&l, s.parser); err != nil {
			return err
		}
		if l.kind == kindDropped || w.add(&l, s, false) {
			w.append(l)
			return nil
		}
		w.pos += int(l.n)
		return nil
	}
	same, _ := w.line(x)
	l.ref, l.kind = same.ref, same.kind
	l.flag |= same.flag &^ (flagUsed | flagExemplar | flagBare)
	first := x.old && same.flag&flagUsed == 0
	if !first {
		w.markTwice(x)
		l.flag |= flagTwice
	}
	if l.kind != kindDropped {
		w.add(&l, s, true)
	}
	switch {
	case first && !w.building:
		*same = l
	case first:
		same.flag |= flagUsed
		same.n = uint32(len(w.out))
		w.out = append(w.out, l)
	default:
		w.out = append(w.out, l)
	}
	if first {
		w.next = x.i + 1
	}
	w.pos += int(l.n)
	return nil
}

// resolve relabels a new line, or drops it.
func (w *walk) resolve(l *line, p textparse.Parser) error {
	s := &w.slow
	p.Labels(&s.lset)
	s.name = s.lset.Get(labels.MetricName)
	lset, err := w.t.set.final(s)
	if err != nil {
		return err
	}
	s.lset = lset
	if lset.IsEmpty() {
		l.kind, l.ref = kindDropped, 0
		return nil
	}
	l.kind, l.ref = kindSlow, noRef
	return nil
}

// noRef is a series not looked up yet: a sample that is not taken creates none.
const noRef = math.MaxUint32

func (w *walk) seriesOf(l *line) uint32 {
	t, s := w.t, &w.slow
	s.buf = s.lset.Bytes(s.buf[:0])
	h := maphash.Bytes(hashSeed, s.buf)
	if i, ok := w.findSeries(h); ok {
		w.noteNames(&t.series[i], l)
		return i
	}
	at := len(t.arena)
	t.arena = t.appendAttrs(t.arena, s.lset)
	n := series{hash: h, attrs: uint32(at), alen: uint32(len(t.arena) - at)}
	w.noteNames(&n, l)
	t.series = append(t.series, n)
	i := uint32(len(t.series) - 1)
	w.seriesTable.put(h, i)
	return i
}

// noteNames remembers a series' names unless its line shows them. Lines of a series may differ: renamed by
// relabelling, or quoted.
func (w *walk) noteNames(n *series, l *line) {
	t, s := w.t, &w.slow
	final := s.lset.Get(labels.MetricName)
	plain := nameOf(rawOf(w.body, l))
	switch {
	case n.name > 0 && len(plain) == 0:
		t.renamed[n.name-1].exposed = s.name
	case n.name == 0 && (string(plain) != s.name || final != s.name):
		t.renamed = append(t.renamed, names{exposed: s.name, final: final})
		n.name = uint32(len(t.renamed))
	}
}

func nameOf(raw []byte) []byte {
	i := 0
	for i < len(raw) && isNameByte(raw[i]) {
		i++
	}
	return raw[:i]
}

func (w *walk) addExemplars(ref uint32, s sample) (some bool) {
	var e exemplar.Exemplar
	for s.parser.Exemplar(&e) {
		if !e.HasTs {
			e.Ts = s.ms
			if !s.stamped {
				e.Ts = int64(w.now / 1e6)
			}
		}
		at := len(w.exbuf)
		w.exbuf = appendExemplar(w.exbuf, e)
		w.exemplars = append(w.exemplars, exemplarRef{ref, uint32(at), uint32(len(w.exbuf))})
		e, some = exemplar.Exemplar{}, true
	}
	return some
}
