package syntax

import (
	"strconv"
	"strings"
)

func (p *parser) primary() Expr {
	t := p.peek()
	p.i++
	switch t.kind {
	case tokString:
		return &Literal{at(t.at), t.text}
	case tokBytes:
		return &Literal{at(t.at), []byte(t.text)}
	case tokInt:
		v, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			p.fail(t.at, "%s is too large for an integer of 64 bits", t.text)
		}
		return &Literal{at(t.at), v}
	case tokFloat:
		v, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			p.fail(t.at, "%s is too large for a number", t.text)
		}
		return &Literal{at(t.at), v}
	case tokName:
		return p.named(t)
	case tokPunct:
		switch t.text {
		case "(":
			e := p.or()
			if p.want(")"); p.peek().text == "=>" {
				p.fail(p.peek().at, "lambda expressions are not supported")
			}
			return e
		case "[":
			return p.list(t)
		case "{":
			return p.mapping(t)
		}
	}
	p.i--
	p.fail(t.at, "expected a value before %s", t.describe())
	return nil
}

func lower(c byte) bool { return c >= 'a' && c <= 'z' }

func (p *parser) named(t token) Expr {
	switch t.text {
	case "nil":
		return &Literal{at(t.at), nil}
	case "true", "false":
		return &Literal{at(t.at), t.text == "true"}
	case "and", "or", "not", "where":
		p.i--
		p.fail(t.at, "expected a value before `%s`", t.text)
	}
	if p.peek().text == "(" && p.peek().kind == tokPunct {
		if lower(t.text[0]) {
			p.fail(t.at, "%s is not a converter: names of converters begin with a capital letter", t.text)
		}
		return p.call(t)
	}
	switch {
	case !lower(t.text[0]) && t.text == strings.ToUpper(t.text):
		return &Enum{at(t.at), t.text}
	case !lower(t.text[0]):
		return &Name{at(t.at), t.text}
	}
	return p.path(t)
}

func (p *parser) path(t token) Expr {
	e := &Path{at: at(t.at)}
	for {
		if t.text != strings.ToLower(t.text) {
			p.fail(t.at, "%s: names in a path have small letters", t.text)
		}
		e.Segments = append(e.Segments, Segment{t.at, t.text, p.keys()})
		if !p.take(".") {
			return e
		}
		t = p.peek()
		if t.kind != tokName || !lower(t.text[0]) {
			p.fail(t.at, "expected a name behind the dot, not %s", t.describe())
		}
		p.i++
	}
}

func (p *parser) keys() (out []Expr) {
	for p.take("[") {
		k := p.value()
		switch k := k.(type) {
		case *Path, *Call, *Math:
		case *Literal:
			switch v := k.Value.(type) {
			case string:
			case int64:
				if v < 0 {
					p.fail(k.At(), "an index cannot be negative")
				}
			default:
				p.fail(k.At(), "a key is a string or an integer")
			}
		default:
			p.fail(k.At(), "a key is a string, an integer, a path or a converter")
		}
		out = append(out, k)
		p.want("]")
	}
	return out
}

// call reads the arguments behind a function's name.
func (p *parser) call(name token) *Call {
	defer p.enter()()
	c := &Call{at: at(name.at), Name: name.text}
	p.want("(")
	for !p.take(")") {
		if len(c.Args) > 0 {
			p.want(",")
		}
		a := Arg{At: p.peek().at}
		if t := p.peek(); t.kind == tokName && lower(t.text[0]) && p.toks[p.i+1].text == "=" && p.toks[p.i+1].kind == tokPunct {
			a.Name = t.text
			p.i += 2
		}
		a.Value = p.value()
		c.Args = append(c.Args, a)
	}
	c.Keys = p.keys()
	return c
}

func (p *parser) list(t token) Expr {
	l := &List{at: at(t.at)}
	for !p.take("]") {
		if len(l.Values) > 0 {
			p.want(",")
		}
		l.Values = append(l.Values, p.value())
	}
	return l
}

func (p *parser) mapping(t token) Expr {
	m := &Map{at: at(t.at)}
	for !p.take("}") {
		if len(m.Keys) > 0 {
			p.want(",")
			if p.take("}") {
				break
			}
		}
		k := p.peek()
		if k.kind != tokString {
			p.fail(k.at, "expected a key in double quotes, not %s", k.describe())
		}
		p.i++
		p.want(":")
		m.Keys = append(m.Keys, k.text)
		m.Values = append(m.Values, p.value())
	}
	return m
}
