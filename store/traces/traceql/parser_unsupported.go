package traceql

import "strings"

// unsupportedFields need the shape of the trace.
var unsupportedFields = map[string]bool{
	"childCount": true, "parent": true, "nestedSetLeft": true, "nestedSetRight": true, "nestedSetParent": true,
}

var arithmetic = map[string]bool{"+": true, "-": true, "*": true, "/": true, "%": true, "^": true}

// structural are the operators between spansets.
var structural = map[string]string{
	"&&": "the combination of spansets (&&)", "||": "the union of spansets (||)",
	">": "the structural operator >", ">>": "the structural operator >>",
	"<": "the structural operator <", "<<": "the structural operator <<", "~": "the structural operator ~",
	"!>": "the structural operator !>", "!>>": "the structural operator !>>", "!<": "the structural operator !<",
	"!<<": "the structural operator !<<", "!~": "the structural operator !~",
	"&>": "the structural operator &>", "&>>": "the structural operator &>>", "&<": "the structural operator &<",
	"&<<": "the structural operator &<<", "&~": "the structural operator &~",
}

// unsupported is the error for valid TraceQL that is not supported here.
func (p *parser) unsupported(t token, construct string) *Error {
	e := p.errorf(t, "%s is not supported; this store answers conditions inside one { }", construct)
	e.Unsupported = true
	return e
}

func (p *parser) field(t token) (Field, error) {
	if f, ok := intrinsicField(t.text); ok {
		return f, nil
	}
	scope, name, dotted := strings.Cut(t.text, ".")
	if !dotted || strings.Contains(scope, ":") {
		return Field{}, p.unsupported(t, "the intrinsic "+t.text)
	}
	f := Field{Name: attributeName(name)}
	switch scope {
	case "":
		f.Scope = ScopeAny
	case "span":
		f.Scope = ScopeSpan
	case "resource":
		f.Scope = ScopeResource
	case "parent", "event", "link", "instrumentation", "trace":
		return Field{}, p.unsupported(t, "the scope "+scope)
	default:
		return Field{}, p.errorf(t, "%q is not a scope; write .%s, span.%s or resource.%s", scope, t.text, t.text, t.text)
	}
	if f.Name == "" {
		return Field{}, p.errorf(t, "an attribute name is missing after %s", t)
	}
	return f, nil
}

// beforeSpanset is the error for a query that does not start with a brace.
func (p *parser) beforeSpanset() error {
	t := p.tok
	switch {
	case p.at("("):
		return p.unsupported(t, "a group of spansets in parentheses")
	case t.kind == tokenWord:
		return p.unsupported(t, "the pipeline stage "+t.text)
	}
	return p.errorf(t, "expected \"{\", found %s", t)
}

// afterSpanset is the error for text after the closing brace.
func (p *parser) afterSpanset() error {
	t := p.tok
	if t.kind == tokenSymbol && t.text == "|" {
		p.next()
		return p.unsupported(t, "the pipeline stage "+p.tok.text)
	}
	if what, ok := structural[t.text]; ok && t.kind == tokenSymbol {
		return p.unsupported(t, what)
	}
	if t.kind == tokenWord && t.text == "with" {
		return p.unsupported(t, "the query hint with(...)")
	}
	return p.errorf(t, "unexpected %s after \"}\"", t)
}

// inExpression is the error for a missing operator or closing symbol.
func (p *parser) inExpression(closing string) error {
	t := p.tok
	if t.kind == tokenSymbol && arithmetic[t.text] {
		return p.unsupported(t, "arithmetic ("+t.text+")")
	}
	if _, ok := operators[t.text]; ok && t.kind == tokenSymbol {
		return p.unsupported(t, "a comparison of comparisons")
	}
	return p.errorf(t, "expected &&, || or %q, found %s", closing, t)
}

// noTerm is the error for a missing condition.
func (p *parser) noTerm(t token) error {
	switch {
	case p.at("!"):
		return p.unsupported(t, "negation (!)")
	case p.at("-"), t.kind == tokenNumber, t.kind == tokenString:
		return p.unsupported(t, "a literal on the left of a comparison")
	case t.kind == tokenWord:
		for _, k := range keywords {
			if k.text == t.text {
				return p.unsupported(t, "a literal on the left of a comparison")
			}
		}
		return p.errorf(t, "%s is not a field; write .%s, span.%s or resource.%s", t, t.text, t.text, t.text)
	}
	return p.errorf(t, "expected a condition, found %s", t)
}

func (p *parser) notArithmetic() error {
	if p.tok.kind == tokenSymbol && arithmetic[p.tok.text] {
		return p.unsupported(p.tok, "arithmetic ("+p.tok.text+")")
	}
	return nil
}
