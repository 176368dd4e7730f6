package ottl

import (
	"bytes"
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
)

// A pattern is a regular expression and what it certainly needs, which is looked for first.
type pattern struct {
	re   *regexp.Regexp
	need []byte // every match contains it; nil for nothing
	// alone says that need decides by itself: everything that contains it matches, or with from and to what begins or
	// ends so.
	alone, from, to bool
}

func newPattern(text string) (*pattern, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	p := &pattern{re: re}
	if tree, err := syntax.Parse(text, syntax.Perl); err == nil {
		p.study(tree.Simplify())
	}
	return p, nil
}

func (p *pattern) study(tree *syntax.Regexp) {
	parts := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpConcat {
		parts = tree.Sub
	}
	for _, x := range parts {
		for x.Op == syntax.OpCapture || x.Op == syntax.OpPlus {
			x = x.Sub[0]
		}
		if x.Op == syntax.OpLiteral && x.Flags&syntax.FoldCase == 0 && len(string(x.Rune)) > len(p.need) {
			p.need = []byte(string(x.Rune))
		}
	}
	// Around a literal, .* may stand at either end, since nothing is asked of the rest of the line.
	if len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		p.from, parts = true, parts[1:]
	} else if len(parts) > 1 && anything(parts[0]) {
		parts = parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == syntax.OpEndText {
		p.to, parts = true, parts[:n-1]
	} else if n > 1 && anything(parts[n-1]) {
		parts = parts[:n-1]
	}
	p.alone = len(parts) == 1 && parts[0].Op == syntax.OpLiteral && parts[0].Flags&syntax.FoldCase == 0
}

func anything(x *syntax.Regexp) bool {
	return x.Op == syntax.OpStar && (x.Sub[0].Op == syntax.OpAnyCharNotNL || x.Sub[0].Op == syntax.OpAnyChar)
}

func (p *pattern) match(b []byte) bool {
	if p.alone {
		switch {
		case p.from && p.to:
			return bytes.Equal(b, p.need)
		case p.from:
			return bytes.HasPrefix(b, p.need)
		case p.to:
			return bytes.HasSuffix(b, p.need)
		}
		return bytes.Contains(b, p.need)
	}
	if p.need != nil && !bytes.Contains(b, p.need) {
		return false
	}
	return p.re.Match(b)
}

// A source of patterns: one literal, or what an expression gives.
type patterns struct {
	fixed *pattern
	get   getter
	made  func(string) (*pattern, error)
}

func (c call) pattern(a argument, made func(string) (*pattern, error)) patterns {
	out := patterns{get: a.get, made: made}
	if a.literal {
		var err error
		if out.fixed, err = made(string(a.val.b)); err != nil {
			c.fault(a.at, "this pattern cannot be used: %v", err)
		}
	}
	return out
}

func (p patterns) of(r *record) (*pattern, error) {
	if p.fixed != nil {
		return p.fixed, nil
	}
	v, err := p.get(r)
	if err != nil {
		return nil, err
	}
	if v.kind != kindString {
		return nil, v.must(kindString)
	}
	made, err := p.made(string(v.b))
	if err != nil {
		return nil, errNotPattern
	}
	return made, nil
}

var errNotPattern = errors.New("the text is no pattern")

// newGlob makes a pattern of a glob: * any text, ? one character, [ab] [a-z] [!a] classes, {a,b} alternatives.
func newGlob(text string) (*pattern, error) {
	var b strings.Builder
	b.WriteString(`\A(?s:`)
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteString(regexp.QuoteMeta(text[i : i+1]))
		case c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteByte('.')
		case c == '[':
			end := strings.IndexByte(text[i:], ']')
			if end < 0 {
				b.WriteString(`\[`)
				continue
			}
			class := text[i+1 : i+end]
			if strings.HasPrefix(class, "!") {
				class = "^" + class[1:]
			}
			b.WriteString("[" + strings.ReplaceAll(class, `\`, `\\`) + "]")
			i += end
		case c == '{':
			depth++
			b.WriteString("(?:")
		case c == '}' && depth > 0:
			depth--
			b.WriteByte(')')
		case c == ',' && depth > 0:
			b.WriteByte('|')
		default:
			n := 1
			for i+n < len(text) && text[i+n] >= 0x80 && text[i+n] < 0xC0 {
				n++
			}
			b.WriteString(regexp.QuoteMeta(text[i : i+n]))
			i += n - 1
		}
	}
	b.WriteString(`)\z`)
	return newPattern(b.String())
}
