package ottl

import (
	"errors"
	"regexp"
	"strings"

	"github.com/sluiceio/sluice/internal/prefilter"
)

// A pattern is a regular expression that is fast on texts without a match.
type pattern = prefilter.Pattern

// A source of patterns: one literal, or what an expression gives.
type patterns struct {
	fixed *pattern
	get   getter
	made  func(string) string // the expression for a text
}

func (c call) pattern(a argument, made func(string) string) patterns {
	out := patterns{get: a.get, made: made}
	if a.literal {
		var err error
		if out.fixed, err = prefilter.Compile(made(string(a.val.b))); err != nil {
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
	made, err := prefilter.Once(p.made(string(v.b)))
	if err != nil {
		return nil, errNotPattern
	}
	return made, nil
}

var errNotPattern = errors.New("the text is no pattern")

// asItIs is for what is an expression already.
func asItIs(text string) string { return text }

// globbed is the expression for a glob: * any text, ? one character, [ab] [a-z] [!a] classes, {a,b} alternatives.
func globbed(text string) string {
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
	return b.String()
}
