package template

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/textparse"
)

// sentinel follows comments in the text format: a NUL in one ends the exposition for the parser.
const sentinel = "a 1\n"

func (w *walk) comments() error {
	t := w.t
	end := w.commentsEnd()
	if end == w.pos { // # EOF, or something that only begins so
		return w.parse(noLine)
	}
	text := w.body[w.pos:end]
	if i, old, found := w.find(text); found && !w.strict {
		if old && t.lines[i].flag&flagUsed == 0 {
			return w.known(i)
		}
		again, _ := w.line(lineIndex{i, old})
		w.declare(typeCode(again.ref))
		w.append(line{off: uint32(w.pos), n: uint32(len(text)), key: uint32(len(text)), ref: again.ref, kind: kindMeta})
		return nil
	}
	p := w.parser(w.pos, end, sentinel)
	last := typeNone
	for {
		e, err := p.Next()
		if errors.Is(err, io.EOF) {
			if t.format == formatText {
				return w.parsedEnd()
			}
			break
		}
		if err != nil {
			return w.oddComment()
		}
		if e == textparse.EntrySeries {
			break
		}
		if e == textparse.EntryType {
			_, mt := p.Type()
			last = codeOf(mt)
		}
	}
	w.declare(last)
	w.newMetas = true
	if last != typeNone {
		w.commentAt, w.commentEnd = w.pos, end
	}
	w.append(line{off: uint32(w.pos), n: uint32(len(text)), key: uint32(len(text)), ref: uint32(last), kind: kindMeta})
	return nil
}

// oddComment takes a comment that spans lines, which a quoted name allows, or fails.
func (w *walk) oddComment() error {
	p := w.parser(w.pos, min(len(w.body), w.pos+window), "")
	e, err := p.Next()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var name []byte
	last := typeNone
	switch e {
	case textparse.EntryType:
		var mt model.MetricType
		name, mt = p.Type()
		last = codeOf(mt)
	case textparse.EntryHelp:
		name, _ = p.Help()
	case textparse.EntryUnit:
		name, _ = p.Unit()
	default:
		name = w.slow.text[len(w.typ.preamble()):]
		name = name[:1]
	}
	end := w.pos + cap(w.slow.text) - cap(name) - len(w.typ.preamble()) + len(name)
	n := bytes.IndexByte(w.body[end:], '\n')
	if n < 0 {
		return fmt.Errorf("%w: data does not end with # EOF", ErrInvalid)
	}
	n += end + 1 - w.pos
	w.declare(last)
	w.newMetas = true
	w.append(line{off: uint32(w.pos), n: uint32(n), key: uint32(n), ref: uint32(last), kind: kindMeta})
	return nil
}

// window limits the parser's search for the end of a line.
const window = 1 << 16

// commentsEnd returns the end of the comments at pos. The text format allows leading blanks and empty lines.
func (w *walk) commentsEnd() int {
	i := w.pos
	for i < len(w.body) && w.isComment(i) {
		n := bytes.IndexByte(w.body[i:], '\n')
		if n < 0 {
			return len(w.body)
		}
		i += n + 1
	}
	return i
}

func (w *walk) isComment(i int) bool {
	b := w.body[i:]
	if w.t.format == formatOpenMetrics {
		return b[0] == '#' && !bytes.HasPrefix(b, []byte("# EOF"))
	}
	k := skipBlanks(b, 0)
	return k < len(b) && (b[k] == '#' || b[k] == '\n')
}
