package traceql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a query. Parentheses are limited because they recurse.
const (
	MaxQueryBytes = 16 << 10
	maxDepth      = 64
)

// Parse parses a query; an empty one is { }. Errors are *Error.
func Parse(text string) (*Query, error) {
	if len(text) > MaxQueryBytes {
		return nil, &Error{Line: 1, Col: 1, Msg: "the query is longer than 16 KiB"}
	}
	if !utf8.ValidString(text) {
		return nil, &Error{Line: 1, Col: 1, Msg: "the query is not valid UTF-8"}
	}
	p := parser{lexer: lexer{text: text}}
	if err := p.query(); err != nil {
		return nil, err
	}
	return &Query{expr: p.root, fields: p.fields}, nil
}

// ParseField parses a single field, such as resource.service.name, .x, span:status or name.
func ParseField(text string) (Field, error) {
	p := parser{lexer: lexer{text: text}}
	p.next()
	t := p.tok
	if t.kind != tokenField {
		return Field{}, p.errorf(t, "%s is not a field; write resource.x, span.x, .x or an intrinsic such as name", t)
	}
	f, err := p.field(t)
	if err != nil {
		return Field{}, err
	}
	if p.next(); p.tok.kind != tokenEnd {
		return Field{}, p.errorf(p.tok, "unexpected %s after the field", p.tok)
	}
	return f, nil
}

// A parser is recursive descent with one token of lookahead.
type parser struct {
	lexer
	tok    token
	root   node
	fields []Field
}

func (p *parser) next() { p.tok = p.scan() }

// query parses { expression } and the end.
func (p *parser) query() error {
	p.next()
	if p.tok.kind == tokenEnd {
		p.root = constant(Yes)
		return nil
	}
	if !p.at("{") {
		return p.beforeSpanset()
	}
	p.next()
	p.root = constant(Yes)
	if !p.at("}") {
		var err error
		if p.root, err = p.disjunction(0); err != nil {
			return err
		}
	}
	if !p.at("}") {
		return p.inExpression("}")
	}
	if p.next(); p.tok.kind != tokenEnd {
		return p.afterSpanset()
	}
	return nil
}

// disjunction parses terms joined by ||, which binds less than &&.
func (p *parser) disjunction(depth int) (node, error) {
	left, err := p.conjunction(depth)
	for err == nil && p.at("||") {
		p.next()
		var right node
		right, err = p.conjunction(depth)
		left = or{left, right}
	}
	return left, err
}

func (p *parser) conjunction(depth int) (node, error) {
	left, err := p.term(depth)
	for err == nil && p.at("&&") {
		p.next()
		var right node
		right, err = p.term(depth)
		left = and{left, right}
	}
	return left, err
}

// term parses a comparison, a boolean or parentheses.
func (p *parser) term(depth int) (node, error) {
	t := p.tok
	switch {
	case p.at("("):
		if depth == maxDepth {
			return nil, p.errorf(t, "parentheses are nested deeper than %d", maxDepth)
		}
		p.next()
		n, err := p.disjunction(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.at(")") {
			return nil, p.inExpression(")")
		}
		p.next()
		return n, nil
	case t.kind == tokenField:
		f, err := p.field(t)
		if err != nil {
			return nil, err
		}
		p.next()
		return p.comparison(f, t)
	case t.kind == tokenWord && (t.text == "true" || t.text == "false"):
		p.next()
		if _, ok := operators[p.tok.text]; ok && p.tok.kind == tokenSymbol {
			return nil, p.unsupported(t, "a literal on the left of a comparison")
		}
		if t.text == "true" {
			return constant(Yes), nil
		}
		return constant(No), nil
	}
	return nil, p.noTerm(t)
}

// comparison parses what follows a field. A field alone must be true.
func (p *parser) comparison(f Field, at token) (node, error) {
	opToken := p.tok
	op, ok := operators[opToken.text]
	if opToken.kind != tokenSymbol || !ok {
		if f.Scope == ScopeIntrinsic {
			if opToken.kind == tokenSymbol && arithmetic[opToken.text] {
				return nil, p.unsupported(opToken, "arithmetic ("+opToken.text+")")
			}
			return nil, p.errorf(opToken, "expected a comparison after %s, found %s", at, opToken)
		}
		lit := literal{Value: Value{Kind: KindBool, Int: 1}}
		return &compare{field: p.use(f), op: opEqual, lit: lit}, nil
	}
	p.next()
	litToken := p.tok
	v, err := p.literal()
	if err != nil {
		return nil, err
	}
	lit := literal{Value: f.asStored(v)}
	if op == opRegex || op == opNotRegex {
		if v.Kind != KindString {
			return nil, p.errorf(litToken, "%s takes a string, found %s", opToken.text, litToken)
		}
		if lit.re, err = regexp.Compile("^(?s:" + string(v.Str) + ")$"); err != nil {
			if _, raw := regexp.Compile(string(v.Str)); raw != nil {
				err = raw // quotes what the user wrote
			}
			return nil, p.errorf(litToken, "the regular expression is not valid: %s", regexpReason(err))
		}
	}
	if err := p.checkTypes(f, op, typed{v, opToken, litToken}); err != nil {
		return nil, err
	}
	return &compare{field: p.use(f), op: op, lit: lit}, nil
}

// A typed is a literal with the tokens for error messages.
type typed struct {
	Value
	op, at token
}

// checkTypes refuses comparisons that can never match.
func (p *parser) checkTypes(f Field, op operator, l typed) error {
	want := f.typ()
	switch {
	case l.Kind == KindNil:
		if op != opEqual && op != opNotEqual {
			return p.errorf(l.op, "nil compares with = and != only")
		}
	case op.ordering() && (l.Kind == KindBool || l.Kind == KindStatus || l.Kind == KindSpanKind):
		return p.errorf(l.op, "%s has no order; compare with = or !=", l.at)
	case (l.Kind == KindStatus || l.Kind == KindSpanKind) && l.Kind != want:
		return p.errorf(l.at, "%s is a value of status or kind and compares with that alone; write it in quotes", l.at)
	case want == KindDuration && !l.numeric(), want == KindString && l.Kind != KindString,
		want == KindStatus && l.Kind != KindStatus, want == KindSpanKind && l.Kind != KindSpanKind:
		return p.errorf(l.at, "%s does not compare with %s, which is of another type", f.Name, l.at)
	}
	return nil
}

func (p *parser) literal() (Value, error) {
	t := p.tok
	negative := p.at("-")
	if negative {
		p.next()
		t = p.tok
	}
	p.next()
	switch {
	case t.kind == tokenNumber:
		v, ok := number(t.text, negative)
		if !ok {
			return v, p.errorf(t, "%s is neither a number nor a duration such as 100ms", t)
		}
		return v, p.notArithmetic()
	case negative:
		return Value{}, p.errorf(t, "expected a number after \"-\", found %s", t)
	case t.kind == tokenString:
		return Value{Kind: KindString, Str: []byte(t.text)}, nil
	case t.kind == tokenWord:
		for _, k := range keywords {
			if k.text == t.text {
				return k.value, nil
			}
		}
		return Value{}, p.errorf(t, "%s is not a value; write a string in double quotes", t)
	case t.kind == tokenField:
		return Value{}, p.unsupported(t, "a comparison of two fields")
	case t.kind == tokenSymbol && (t.text == "(" || t.text == "!"):
		return Value{}, p.unsupported(t, "an expression on the right of a comparison")
	case t.kind == tokenInvalid:
		return Value{}, p.errorf(t, "%s", t.text)
	}
	return Value{}, p.errorf(t, "expected a value, found %s", t)
}

func number(text string, negative bool) (Value, bool) {
	if negative {
		text = "-" + text
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Value{Kind: KindInt, Int: n}, true
	}
	if d, err := time.ParseDuration(text); err == nil {
		return Value{Kind: KindDuration, Int: int64(d)}, true
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && !strings.ContainsAny(text, "xX_nN") {
		return Value{Kind: KindFloat, Float: f}, true
	}
	return Value{}, false
}

// use returns the field's position in p.fields.
func (p *parser) use(f Field) int {
	for i, g := range p.fields {
		if f == g {
			return i
		}
	}
	p.fields = append(p.fields, f)
	return len(p.fields) - 1
}

func (p *parser) at(symbol string) bool { return p.tok.kind == tokenSymbol && p.tok.text == symbol }

func (p *parser) errorf(t token, format string, args ...any) *Error {
	before := p.text[:t.pos]
	line := strings.LastIndexByte(before, '\n') + 1
	msg := fmt.Sprintf(format, args...)
	if t.kind == tokenInvalid {
		msg = t.text
	}
	return &Error{Line: 1 + strings.Count(before, "\n"), Col: 1 + utf8.RuneCountInString(before[line:]), Msg: msg}
}

func regexpReason(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}
