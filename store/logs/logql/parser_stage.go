package logql

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var unsupportedStages = []string{
	"line_format", "label_format", "regexp", "pattern", "unpack", "unwrap", "decolorize", "distinct",
}

// stages appends the stages at the current token.
func (p *parser) stages(to []Stage) ([]Stage, error) {
	for {
		t := p.peek()
		if t.kind != symbol {
			return to, nil
		}
		if err := p.part(); err != nil {
			return nil, err
		}
		var s Stage
		var err error
		switch t.text {
		case "|=", "|~", "!=", "!~":
			s, err = p.lineFilter()
		case "|>", "!>":
			return nil, unsupportedAt(p.query, t.pos, t.text)
		case "|":
			p.i++
			s, err = p.pipeStage()
		default:
			return to, nil
		}
		if err != nil {
			return nil, err
		}
		to = append(to, s)
	}
}

func (p *parser) lineFilter() (Stage, error) {
	f := &LineFilter{Op: p.next().text}
	for {
		if err := p.part(); err != nil {
			return nil, err
		}
		if t := p.peek(); t.kind == ident && t.text == "ip" {
			return nil, unsupportedAt(p.query, t.pos, "ip")
		}
		t, err := p.expectKind(text, "a string")
		if err != nil {
			return nil, err
		}
		f.Values = append(f.Values, t.text)
		if f.Op == "|~" || f.Op == "!~" {
			re, err := regexp.Compile(t.text)
			if err != nil {
				return nil, errorAt(p.query, t.pos, "%v", err)
			}
			f.res = append(f.res, re)
		}
		if !p.acceptWord("or") {
			return f, nil
		}
	}
}

// pipeStage parses what follows a |.
func (p *parser) pipeStage() (Stage, error) {
	t := p.peek()
	switch {
	case t.kind == symbol && t.text == "(":
	case t.kind != ident:
		return nil, p.unexpected("expecting a stage or a label filter")
	case t.text == "json" || t.text == "logfmt":
		p.i++
		return p.parseStage(t.text)
	case t.text == "drop" || t.text == "keep":
		p.i++
		return p.dropStage(t.text == "keep")
	case slices.Contains(unsupportedStages, t.text):
		return nil, unsupportedAt(p.query, t.pos, t.text)
	}
	c, err := p.conditions()
	return &LabelFilter{Cond: c}, err
}

// parseStage parses the fields to extract, none for all: a="b.c", d.
func (p *parser) parseStage(parser string) (Stage, error) {
	s := &ParseStage{Parser: parser}
	for p.peek().kind == ident || p.at(symbol, "-") {
		if t := p.peek(); t.kind == symbol {
			return nil, unsupportedAt(p.query, t.pos, p.flag())
		}
		name := p.next()
		x := Extraction{Label: name.text, Path: name.text}
		pos := name.pos
		if p.accept("=") {
			v, err := p.expectKind(text, "a string")
			if err != nil {
				return nil, err
			}
			x.Path, pos = v.text, v.pos
		}
		x.path = []string{x.Path}
		if parser == "json" {
			path, ok := splitPath(x.Path)
			if !ok {
				return nil, errorAt(p.query, pos, "cannot read %q as the path of a JSON field", x.Path)
			}
			x.path = path
		}
		s.Extract = append(s.Extract, x)
		if !p.accept(",") {
			break
		}
	}
	return s, nil
}

// flag returns a --flag for the error message.
func (p *parser) flag() string {
	i := p.i
	var b strings.Builder
	for p.tokens[i].kind == symbol && p.tokens[i].text == "-" {
		b.WriteByte('-')
		i++
	}
	if p.tokens[i].kind == ident {
		b.WriteString(p.tokens[i].text)
		for p.tokens[i+1].kind == symbol && p.tokens[i+1].text == "-" && p.tokens[i+2].kind == ident {
			b.WriteString("-" + p.tokens[i+2].text)
			i += 2
		}
	}
	return b.String()
}

// splitPath splits a JSON path: a.b, a["b c"], a[0].
func splitPath(s string) ([]string, bool) {
	var path []string
	for s != "" {
		switch s[0] {
		case '[':
			inner, n := bracket(s)
			if n == 0 {
				return nil, false
			}
			path, s = append(path, inner), s[n:]
		case '.':
			if s = s[1:]; s == "" || len(path) == 0 || s[0] == '.' || s[0] == '[' {
				return nil, false
			}
		default:
			n := strings.IndexAny(s, ".[")
			if n < 0 {
				n = len(s)
			}
			path, s = append(path, s[:n]), s[n:]
		}
	}
	return path, len(path) > 0
}

// bracket parses ["key"] or [0] and returns its length, or 0.
func bracket(s string) (inner string, n int) {
	if len(s) > 1 && s[1] == '"' {
		q, err := strconv.QuotedPrefix(s[1:])
		if err != nil || !strings.HasPrefix(s[1+len(q):], "]") {
			return "", 0
		}
		key, err := strconv.Unquote(q)
		if err != nil {
			return "", 0
		}
		return key, len(q) + 2
	}
	n = strings.IndexByte(s, ']')
	if n < 0 {
		return "", 0
	}
	if _, err := strconv.ParseUint(s[1:n], 10, 31); err != nil {
		return "", 0
	}
	return s[1:n], n + 1
}

func (p *parser) dropStage(keep bool) (Stage, error) {
	s := &DropStage{Keep: keep}
	for {
		t, err := p.expectKind(ident, "a label name")
		if err != nil {
			return nil, err
		}
		m := &Matcher{Name: t.text}
		if op := p.peek(); op.kind == symbol && isComparison(op.text) {
			p.i--
			if m, err = p.matcher(); err != nil {
				return nil, err
			}
		}
		s.Items = append(s.Items, m)
		if !p.accept(",") {
			return s, nil
		}
	}
}

func isComparison(s string) bool {
	switch s {
	case "=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=":
		return true
	}
	return false
}

// conditions parses conditions joined by or, which binds less than and.
func (p *parser) conditions() (Cond, error) {
	l, err := p.conjunction()
	for err == nil && p.acceptWord("or") {
		var r Cond
		if r, err = p.conjunction(); err == nil {
			l = &Logic{Op: "or", L: l, R: r}
		}
	}
	return l, err
}

// conjunction parses conditions joined by and.
func (p *parser) conjunction() (Cond, error) {
	l, err := p.list()
	for err == nil && p.acceptWord("and") {
		var r Cond
		if r, err = p.list(); err == nil {
			l = &Logic{Op: "and", L: l, R: r}
		}
	}
	return l, err
}

// list parses conditions joined by comma or blank. Both mean and, without precedence in Loki's grammar: a, b or c is
// a and (b or c); a or b, c is a or (b and c).
func (p *parser) list() (Cond, error) {
	l, err := p.condition()
	if err != nil || !p.accept(",") && !p.atCondition() {
		return l, err
	}
	r, err := p.conditions()
	return &Logic{Op: "and", L: l, R: r}, err
}

func (p *parser) atCondition() bool {
	if p.at(symbol, "(") {
		return true
	}
	if p.peek().kind != ident {
		return false
	}
	next := p.tokens[p.i+1]
	return next.kind == symbol && isComparison(next.text)
}

func (p *parser) condition() (Cond, error) {
	if p.accept("(") {
		if err := p.deeper(); err != nil {
			return nil, err
		}
		defer p.shallower()
		c, err := p.conditions()
		if err != nil {
			return nil, err
		}
		return c, p.expect(")")
	}
	if err := p.part(); err != nil {
		return nil, err
	}
	name, err := p.expectKind(ident, "a label name")
	if err != nil {
		return nil, err
	}
	op := p.peek()
	if op.kind != symbol || !isComparison(op.text) {
		return nil, p.unexpected("expecting a comparison after the label " + name.text)
	}
	p.i++
	value := p.peek()
	switch {
	case value.kind == text:
		return p.stringCondition(name, op, value)
	case value.kind == ident && value.text == "ip":
		return nil, unsupportedAt(p.query, value.pos, "ip")
	case op.text == "=~" || op.text == "!~":
		return nil, p.unexpected("expecting a string")
	}
	return p.compare(name, op)
}

func (p *parser) stringCondition(name, op, value token) (Cond, error) {
	p.i++
	switch op.text {
	case "=", "!=", "=~", "!~":
		return p.newMatcher(name, MatchOp(op.text), value)
	}
	return nil, errorAt(p.query, op.pos, "syntax error: %s compares numbers, durations and sizes, not strings", op.text)
}

// compare parses a number, duration or size.
func (p *parser) compare(name, op token) (Cond, error) {
	c := &Compare{Name: name.text, Op: op.text}
	if c.Op == "=" {
		c.Op = "=="
	}
	sign := 1.0
	if p.accept("-") {
		sign = -1
	}
	t, err := p.expectKind(number, "a string, a number, a duration or a size")
	if err != nil {
		return nil, err
	}
	var ok bool
	if c.Value, c.Unit, ok = quantity(t.text); !ok {
		return nil, errorAt(p.query, t.pos, "cannot read %s as a number, a duration or a size", t.text)
	}
	c.Value *= sign
	return c, nil
}

// quantity parses a number with optional unit.
func quantity(s string) (float64, Unit, bool) {
	if v, ok := parseNumber(s); ok {
		return v, Number, true
	}
	if d, ok := ParseDuration(s); ok {
		return d.Seconds(), Duration, true
	}
	v, ok := parseSize(s)
	return v, Bytes, ok
}

// parseNumber parses decimals only, unlike strconv: no 0x1, 1_000, Inf.
func parseNumber(s string) (float64, bool) {
	if strings.ContainsAny(s, "xXpP_iInN") {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}
