// Package prefilter has regular expressions that first look for what every match needs: literals, or sequences of
// classes of bytes, found out once from the expression. A text without them never meets the engine of package regexp.
package prefilter

import (
	"regexp"
	"regexp/syntax"
)

// A Pattern is a regular expression with the exact meaning of package regexp. It is safe for concurrent use.
type Pattern struct {
	Regexp *regexp.Regexp

	needs []sequence // every match contains one of them; nil if nothing is known
	// decides says that needs says all: the pattern matches exactly what contains one of them, or with from and to what
	// begins or ends with one.
	decides, from, to bool
}

// Compile reads an expression in the syntax of package regexp.
func Compile(text string) (*Pattern, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	p := &Pattern{Regexp: re}
	if tree, err := syntax.Parse(text, syntax.Perl); err == nil {
		p.study(tree.Simplify())
	}
	return p, nil
}

// Once is Compile for an expression that is used for one text: finding out what it needs takes longer.
func Once(text string) (*Pattern, error) {
	re, err := regexp.Compile(text)
	return &Pattern{Regexp: re}, err
}

// study finds out what the tree needs.
func (p *Pattern) study(tree *syntax.Regexp) {
	parts := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpConcat {
		parts = tree.Sub
	}
	if parts[0].Op == syntax.OpBeginText {
		p.from, parts = true, parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == syntax.OpEndText {
		p.to, parts = true, parts[:n-1]
	}
	// At an open end a repetition matches as seldom as it may, since nothing is asked of what is beyond.
	parts = append([]*syntax.Regexp{}, parts...)
	for !p.from && len(parts) > 0 && shorten(&parts[0]) {
		if parts[0] == nil {
			parts = parts[1:]
		}
	}
	for last := len(parts) - 1; !p.to && last >= 0 && shorten(&parts[last]); last = len(parts) - 1 {
		if parts[last] == nil {
			parts = parts[:last]
		}
	}
	found := concat(parts)
	need := found.need
	if found.exact && found.whole {
		need, p.decides = found.texts, true
	}
	if !p.decides && worth(need) == 0 {
		return
	}
	for _, s := range need {
		p.needs = append(p.needs, newSequence(s))
	}
}

// shorten replaces a repetition by the least that it matches, nil for nothing, and says whether it did.
func shorten(x **syntax.Regexp) bool {
	switch (*x).Op {
	case syntax.OpCapture:
		*x = (*x).Sub[0]
	case syntax.OpPlus:
		*x = (*x).Sub[0]
	case syntax.OpStar, syntax.OpQuest:
		*x = nil
	default:
		return false
	}
	return true
}

// Match says whether the text contains a match.
func (p *Pattern) Match(text []byte) bool {
	if !p.May(text) {
		return false
	}
	return p.decides || p.Regexp.Match(text)
}

// May says false only for a text without a match.
func (p *Pattern) May(text []byte) bool {
	if p.decides && (p.from || p.to) {
		return p.atEnds(text)
	}
	for i := range p.needs {
		if p.needs[i].in(text) {
			return true
		}
	}
	return p.needs == nil
}

// atEnds says whether the text begins, or ends, or both, with one of the needs.
func (p *Pattern) atEnds(text []byte) bool {
	for i := range p.needs {
		s := &p.needs[i]
		at := len(text) - len(s.classes)
		if at < 0 || p.from && p.to && at > 0 {
			continue
		}
		if p.from {
			at = 0
		}
		if s.at(text, at) {
			return true
		}
	}
	return false
}
