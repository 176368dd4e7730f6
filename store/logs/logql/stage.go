package logql

import (
	"strconv"
	"strings"
	"time"
)

// Process runs the stages and reports whether the row is kept.
func (e *LogExpr) Process(r *Row) bool {
	for _, s := range e.Stages {
		if !s.process(r) {
			return false
		}
	}
	return true
}

func (f *LineFilter) process(r *Row) bool {
	wanted := f.Op == "|=" || f.Op == "|~"
	for i, v := range f.Values {
		var hit bool
		if f.res == nil {
			hit = strings.Contains(r.Line, v)
		} else {
			hit = f.res[i].MatchString(r.Line)
		}
		if hit {
			return wanted
		}
	}
	return !wanted
}

func (f *LabelFilter) process(r *Row) bool { return f.Cond.holds(r) }

func (m *Matcher) holds(r *Row) bool {
	v, _ := r.Get(m.Name)
	return m.Matches(v)
}

// holds is false without the label. As in Loki 3.7, a value that is no number is true, and marked: filter it by
// __error__.
func (c *Compare) holds(r *Row) bool {
	text, ok := r.Get(c.Name)
	if !ok {
		return false
	}
	v, err := c.read(text)
	if err != nil {
		if r.err == "" {
			r.fail(filterError, err.Error())
		}
		return true
	}
	switch c.Op {
	case "==":
		return v == c.Value
	case "!=":
		return v != c.Value
	case ">":
		return v > c.Value
	case ">=":
		return v >= c.Value
	case "<":
		return v < c.Value
	}
	return v <= c.Value
}

func (c *Compare) read(text string) (float64, error) {
	switch c.Unit {
	case Duration:
		d, err := time.ParseDuration(text)
		return d.Seconds(), err
	case Bytes:
		return readSize(text)
	}
	return strconv.ParseFloat(text, 64)
}

func (c *Logic) holds(r *Row) bool {
	l := c.L.holds(r)
	if l == (c.Op == "or") {
		return l
	}
	return c.R.holds(r)
}

func (s *DropStage) process(r *Row) bool {
	if s.Keep {
		s.keep(r)
		return true
	}
	for _, m := range s.Items {
		v, ok := r.Get(m.Name)
		if !ok || m.Op != "" && !m.Matches(v) {
			continue
		}
		switch m.Name {
		case ErrorLabel:
			r.err = ""
		case ErrorDetailsLabel:
			r.errDetails = ""
		default:
			r.Parsed = remove(r.Parsed, m.Name)
			r.Meta = remove(r.Meta, m.Name)
			if _, ok := find(r.Stream, m.Name); ok {
				r.dropped = append(r.dropped, m.Name)
			}
		}
	}
	return true
}

// keep removes unnamed labels, except for the error labels.
func (s *DropStage) keep(r *Row) {
	r.Parsed = s.kept(r.Parsed)
	r.Meta = s.kept(r.Meta)
	for _, l := range r.Stream {
		if !s.names(l) {
			r.dropped = append(r.dropped, l.Name)
		}
	}
}

func (s *DropStage) kept(ls []Label) []Label {
	to := ls[:0]
	for _, l := range ls {
		if s.names(l) {
			to = append(to, l)
		}
	}
	return to
}

func (s *DropStage) names(l Label) bool {
	for _, m := range s.Items {
		if m.Name == l.Name && (m.Op == "" || m.Matches(l.Value)) {
			return true
		}
	}
	return false
}

func (s *ParseStage) process(r *Row) bool {
	switch {
	case s.Parser == "logfmt":
		parseLogfmt(r, s.Extract)
	case len(s.Extract) > 0:
		extractJSON(r, s.Extract)
	default:
		parseJSON(r)
	}
	return true
}
