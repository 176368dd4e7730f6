package logql

import (
	"strconv"
	"strings"
)

func isComparison(s string) bool {
	switch s {
	case "=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=":
		return true
	}
	return false
}

// conditions reads conditions joined by or, which binds weaker than and.
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

// conjunction reads conditions joined by and.
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

// list reads a condition and those that a comma or nothing but a blank joins to it. Both mean and, but have no
// precedence in Loki's grammar: to their left they bind stronger than and, to their right they take in all that
// follows. a, b or c is a and (b or c); a or b, c is a or (b and c).
func (p *parser) list() (Cond, error) {
	l, err := p.condition()
	if err != nil || !p.accept(",") && !p.atCondition() {
		return l, err
	}
	r, err := p.conditions()
	return &Logic{Op: "and", L: l, R: r}, err
}

// atCondition reports whether a condition begins here.
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

// compare reads a number, a duration or a size.
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

// quantity reads a number with or without a unit.
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

// parseNumber reads a decimal number, not what else strconv takes: 0x1, 1_000, Inf.
func parseNumber(s string) (float64, bool) {
	if strings.ContainsAny(s, "xXpP_iInN") {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}
