package logql

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxQuery is the longest query that is read, as in Loki.
const MaxQuery = 128 << 10

// maxDepth bounds parentheses and operators inside one another.
const maxDepth = 128

// maxParts bounds the operators, conditions, matchers, stages and strings of a query, for each of which every row or
// step costs something: 128 KiB of "1+1+..." over 11,000 steps took minutes. Strings may be long.
const maxParts = 1000

// Parse reads a query.
func Parse(query string) (Expr, error) {
	p, err := newParser(query)
	if err != nil {
		return nil, err
	}
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	return e, p.done()
}

// ParseLog reads a query that has to be a log selection, not a metric query.
func ParseLog(query string) (*LogExpr, error) {
	e, err := Parse(query)
	if err != nil {
		return nil, err
	}
	l, ok := e.(*LogExpr)
	if !ok {
		return nil, errorAt(query, 0, "a log selection is wanted here, not a metric query")
	}
	return l, nil
}

// ParseSelector reads a selector alone, as match[] carries it. Empty braces, which a query may not have, select all.
func ParseSelector(query string) (Selector, error) {
	p, err := newParser(query)
	if err != nil {
		return nil, err
	}
	s, err := p.selector()
	if err != nil {
		return nil, err
	}
	return s, p.done()
}

type parser struct {
	query  string
	tokens []token
	i      int
	depth  int
	parts  int
}

func newParser(query string) (*parser, error) {
	if len(query) > MaxQuery {
		return nil, errorAt(query, 0, "the query has %d bytes, more than %d", len(query), MaxQuery)
	}
	if at := invalidByte(query); at >= 0 {
		return nil, errorAt(query, at, "syntax error: a query is UTF-8, and here it is not; write \"\\xff\" for such a byte")
	}
	tokens, err := lex(query)
	return &parser{query: query, tokens: tokens}, err
}

// invalidByte finds the first byte that is no UTF-8, -1 when all is.
func invalidByte(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return i
		}
	}
	return -1
}

func (p *parser) peek() token { return p.tokens[p.i] }

func (p *parser) next() token {
	t := p.tokens[p.i]
	if t.kind != end {
		p.i++
	}
	return t
}

func (p *parser) at(k kind, s string) bool {
	t := p.tokens[p.i]
	return t.kind == k && t.text == s
}

// accept moves over a symbol if it is there.
func (p *parser) accept(s string) bool {
	if p.at(symbol, s) {
		p.i++
		return true
	}
	return false
}

// acceptWord moves over a keyword if it is there.
func (p *parser) acceptWord(s string) bool {
	if p.at(ident, s) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(s string) error {
	if !p.accept(s) {
		return p.unexpected("expecting " + s)
	}
	return nil
}

func (p *parser) expectKind(k kind, what string) (token, error) {
	t := p.peek()
	if t.kind != k {
		return t, p.unexpected("expecting " + what)
	}
	p.i++
	return t, nil
}

func (p *parser) done() error {
	if p.peek().kind != end {
		return p.unexpected("expecting the end of the query")
	}
	return nil
}

// unexpected is the error at the current token.
func (p *parser) unexpected(wanted string) error {
	t := p.peek()
	switch t.kind {
	case end:
		return errorAt(p.query, t.pos, "syntax error: unexpected end, %s", wanted)
	case text:
		return errorAt(p.query, t.pos, "syntax error: unexpected string %q, %s", t.text, wanted)
	}
	return errorAt(p.query, t.pos, "syntax error: unexpected %s, %s", t.text, wanted)
}

// deeper counts a level of nesting; the caller calls shallower when it leaves.
func (p *parser) deeper() error {
	p.depth++
	if p.depth > maxDepth {
		return errorAt(p.query, p.peek().pos, "the query is nested more than %d levels deep", maxDepth)
	}
	return nil
}

func (p *parser) shallower() { p.depth-- }

// part counts a part of the query.
func (p *parser) part() error {
	p.parts++
	if p.parts > maxParts {
		return errorAt(p.query, p.peek().pos, "the query has more than %d operators, conditions, stages and strings; "+
			`write one expression such as =~"a|b" for many values`, maxParts)
	}
	return nil
}

// selector reads {a="b", c=~"d"}.
func (p *parser) selector() (Selector, error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	var s Selector
	for !p.accept("}") {
		if len(s) > 0 {
			if !p.accept(",") {
				return nil, p.unexpected("expecting , or }")
			}
			if p.accept("}") {
				return s, nil
			}
		}
		m, err := p.matcher()
		if err != nil {
			return nil, err
		}
		s = append(s, m)
	}
	return s, nil
}

// querySelector is selector, with Loki's rule that something must be selected.
func (p *parser) querySelector() (Selector, error) {
	pos := p.peek().pos
	s, err := p.selector()
	if err != nil {
		return nil, err
	}
	for _, m := range s {
		if !m.Matches("") {
			return s, nil
		}
	}
	return nil, errorAt(p.query, pos, "queries require at least one regexp or equality matcher that does not have an "+
		`empty-compatible value. For instance, app=~".*" does not meet this requirement, but app=~".+" will`)
}

func (p *parser) matcher() (*Matcher, error) {
	if err := p.part(); err != nil {
		return nil, err
	}
	name, err := p.expectKind(ident, "a label name")
	if err != nil {
		return nil, err
	}
	op := p.peek()
	switch {
	case op.kind != symbol:
		return nil, p.unexpected("expecting = != =~ or !~")
	case op.text != "=" && op.text != "!=" && op.text != "=~" && op.text != "!~":
		return nil, p.unexpected("expecting = != =~ or !~")
	}
	p.i++
	value, err := p.expectKind(text, "a string")
	if err != nil {
		return nil, err
	}
	return p.newMatcher(name, MatchOp(op.text), value)
}

func (p *parser) newMatcher(name token, op MatchOp, value token) (*Matcher, error) {
	m := &Matcher{Name: name.text, Op: op, Value: value.text}
	if op == Match || op == NotMatch {
		re, err := regexp.Compile("^(?s:" + value.text + ")$")
		if err != nil {
			return nil, errorAt(p.query, value.pos, "%v", err)
		}
		m.re = re
	}
	return m, nil
}

// logExpr reads a selector and its stages, up to whatever is no stage.
func (p *parser) logExpr() (*LogExpr, error) {
	s, err := p.querySelector()
	if err != nil {
		return nil, err
	}
	e := &LogExpr{Selector: s}
	e.Stages, err = p.stages(nil)
	return e, err
}
