package syntax

import "strings"

// maxDepth bounds nesting, since the parser and the compiler recurse.
const maxDepth = 64

// ParseStatement reads an editor's call with an optional where.
func ParseStatement(text string) (*Statement, *Fault) {
	p, fault := newParser(text)
	if fault != nil {
		return nil, fault
	}
	s := &Statement{Text: text}
	p.run(func() {
		t := p.peek()
		if t.kind != tokName || !lower(t.text[0]) || p.toks[min(1, len(p.toks)-1)].text != "(" {
			switch {
			case t.kind == tokName && p.toks[1].text == "(":
				p.fail(t.at, "a statement begins with an editor, whose name begins with a small letter, such as set(...); %s is a converter", t.text)
			case t.kind == tokEnd:
				p.fail(t.at, "the statement is empty; write an editor, such as set(target, value)")
			}
			p.fail(t.at, "a statement begins with an editor, such as set(target, value), not with %s", t.describe())
		}
		p.i++
		s.Call = p.call(t)
		if len(s.Call.Keys) > 0 {
			p.fail(s.Call.Keys[0].At(), "the result of an editor cannot be indexed")
		}
		if p.word("where") {
			s.Where = p.condition()
		}
		p.end("`where` or the end")
	})
	if p.fault != nil {
		return nil, p.fault
	}
	return s, nil
}

// ParseCondition reads a condition.
func ParseCondition(text string) (Expr, *Fault) {
	p, fault := newParser(text)
	if fault != nil {
		return nil, fault
	}
	var e Expr
	p.run(func() {
		e = p.condition()
		p.end("`and`, `or` or the end")
	})
	if p.fault != nil {
		return nil, p.fault
	}
	return e, nil
}

type parser struct {
	toks  []token
	i     int
	depth int
	fault *Fault
}

func newParser(text string) (*parser, *Fault) {
	toks, fault := lex(text)
	if fault != nil {
		return nil, fault
	}
	return &parser{toks: toks}, nil
}

// stop unwinds the parser at its first fault.
type stop struct{}

func (p *parser) run(f func()) {
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(stop); !ours {
				panic(r)
			}
		}
	}()
	f()
}

func (p *parser) fail(at int, format string, args ...any) {
	p.fault = faultf(at, format, args...)
	panic(stop{})
}

func (p *parser) peek() token { return p.toks[p.i] }

// take moves over a punctuation mark if it is next.
func (p *parser) take(text string) bool {
	if t := p.peek(); t.kind == tokPunct && t.text == text {
		p.i++
		return true
	}
	return false
}

func (p *parser) word(text string) bool {
	if t := p.peek(); t.kind == tokName && t.text == text {
		p.i++
		return true
	}
	return false
}

func (p *parser) want(text string) {
	if !p.take(text) {
		p.fail(p.peek().at, "expected `%s` before %s", text, p.peek().describe())
	}
}

func (p *parser) end(expected string) {
	if t := p.peek(); t.kind != tokEnd {
		p.fail(t.at, "expected %s before %s", expected, t.describe())
	}
}

// enter bounds the depth; call the result when done.
func (p *parser) enter() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek().at, "nested deeper than %d", maxDepth)
	}
	return func() { p.depth-- }
}

// condition reads an expression that must be one of true and false.
func (p *parser) condition() Expr {
	e := p.or()
	p.mustBool(e)
	return e
}

func (p *parser) or() Expr {
	defer p.enter()()
	return p.joined("or", true, func() Expr { return p.joined("and", false, p.not) })
}

func (p *parser) joined(word string, or bool, part func() Expr) Expr {
	e := part()
	if t := p.peek(); t.kind != tokName || t.text != word {
		return e
	}
	p.mustBool(e)
	all := &Logic{at: at(e.At()), Or: or, X: []Expr{e}}
	for p.word(word) {
		next := part()
		p.mustBool(next)
		all.X = append(all.X, next)
	}
	return all
}

func (p *parser) not() Expr {
	t := p.peek()
	if !p.word("not") {
		return p.compare()
	}
	e := p.compare()
	p.mustBool(e)
	return &Not{at(t.at), e}
}

func (p *parser) compare() Expr {
	x := p.sum()
	t := p.peek()
	switch t.text {
	case "==", "!=", "<", "<=", ">", ">=":
		if t.kind != tokPunct {
			return x
		}
	case "=":
		p.fail(t.at, "`=` does not compare; write `==`")
	default:
		return x
	}
	p.i++
	p.mustValue(x)
	y := p.sum()
	p.mustValue(y)
	return &Compare{at(t.at), t.text, x, y}
}

// value reads an expression that is a value, not a condition.
func (p *parser) value() Expr {
	defer p.enter()()
	e := p.sum()
	p.mustValue(e)
	return e
}

func (p *parser) sum() Expr     { return p.math("+-", p.product) }
func (p *parser) product() Expr { return p.math("*/", p.unary) }

func (p *parser) math(ops string, part func() Expr) Expr {
	x := part()
	for {
		t := p.peek()
		if t.kind != tokPunct || len(t.text) != 1 || strings.IndexByte(ops, t.text[0]) < 0 {
			return x
		}
		p.i++
		y := part()
		p.mustNumber(x)
		p.mustNumber(y)
		x = &Math{at(t.at), t.text[0], x, y}
	}
}

func (p *parser) unary() Expr {
	t := p.peek()
	minus := p.take("-")
	if !minus && !p.take("+") {
		return p.primary()
	}
	x := p.primary()
	p.mustNumber(x)
	if !minus {
		return x
	}
	if l, ok := x.(*Literal); ok {
		switch v := l.Value.(type) {
		case int64:
			return &Literal{at(t.at), -v}
		case float64:
			return &Literal{at(t.at), -v}
		}
	}
	return &Math{at: at(t.at), Op: '-', Y: x}
}

// mustBool refuses what is not a condition.
func (p *parser) mustBool(e Expr) {
	switch e := e.(type) {
	case *Compare, *Logic, *Not, *Call:
		return
	case *Literal:
		if _, ok := e.Value.(bool); ok {
			return
		}
	}
	p.fail(e.At(), "this is a value, not a condition; compare it, such as with == or != nil")
}

func (p *parser) mustValue(e Expr) {
	switch e.(type) {
	case *Compare, *Logic, *Not:
		p.fail(e.At(), "a condition cannot be a value here; conditions stand behind where")
	}
}

// mustNumber refuses what arithmetic can never take.
func (p *parser) mustNumber(e Expr) {
	switch l := e.(type) {
	case *Path, *Call, *Math:
		return
	case *Literal:
		switch l.Value.(type) {
		case int64, float64:
			return
		}
	}
	p.fail(e.At(), "arithmetic takes numbers, paths and converters")
}
