package logql

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxQuery is Loki's limit on the length of a query.
const MaxQuery = 128 << 10

// maxDepth limits nesting.
const maxDepth = 128

// maxParts limits operators, conditions, matchers, stages and strings, because each costs time per row or step: 128
// KiB of "1+1+..." over 11,000 steps took minutes.
const maxParts = 1000

// Parse parses a query.
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

// ParseLog parses a log selection, not a metric query.
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

// ParseSelector parses a selector, such as match[]. Unlike in queries, empty braces select all.
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

// invalidByte returns the position of the first byte that is not UTF-8, or -1.
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

// accept consumes a symbol if present.
func (p *parser) accept(s string) bool {
	if p.at(symbol, s) {
		p.i++
		return true
	}
	return false
}

// acceptWord consumes a keyword if present.
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

// deeper enters a nesting level; shallower leaves it.
func (p *parser) deeper() error {
	p.depth++
	if p.depth > maxDepth {
		return errorAt(p.query, p.peek().pos, "the query is nested more than %d levels deep", maxDepth)
	}
	return nil
}

func (p *parser) shallower() { p.depth-- }

func (p *parser) part() error {
	p.parts++
	if p.parts > maxParts {
		return errorAt(p.query, p.peek().pos, "the query has more than %d operators, conditions, stages and strings; "+
			`write one expression such as =~"a|b" for many values`, maxParts)
	}
	return nil
}

// selector parses {a="b", c=~"d"}.
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

// querySelector is selector with Loki's rule that one matcher must not match the empty string.
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
			if _, raw := regexp.Compile(value.text); raw != nil {
				err = raw // quotes what the user wrote
			}
			return nil, errorAt(p.query, value.pos, "%v", err)
		}
		m.re = re
	}
	return m, nil
}

// logExpr parses a selector and its stages.
func (p *parser) logExpr() (*LogExpr, error) {
	s, err := p.querySelector()
	if err != nil {
		return nil, err
	}
	e := &LogExpr{Selector: s}
	e.Stages, err = p.stages(nil)
	return e, err
}
