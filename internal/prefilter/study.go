package prefilter

import (
	"math"
	"math/bits"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// What is known of a tree has at most so many alternatives, of at most so many bytes.
const maxTexts, maxBytes = 24, 32

// A finding is what is known of the matches of a tree.
type finding struct {
	exact bool      // each match is one of texts
	whole bool      // and each of texts matches wherever it stands
	again bool      // each match is one or more of texts, one behind the other
	texts [][]class // if exact or again
	need  [][]class // each match contains one of these, which are the best to look for; nil if nothing is known
}

var nothing = finding{exact: true, whole: true, texts: [][]class{{}}}

// look finds out about a tree, which is simplified.
func look(x *syntax.Regexp) finding {
	switch x.Op {
	case syntax.OpEmptyMatch:
		return nothing
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return finding{exact: true, texts: [][]class{{}}}
	case syntax.OpLiteral:
		return literal(x.Rune, x.Flags&syntax.FoldCase != 0)
	case syntax.OpCharClass:
		return runes(x.Rune)
	case syntax.OpCapture:
		return look(x.Sub[0])
	case syntax.OpConcat:
		return concat(x.Sub)
	case syntax.OpAlternate:
		return alternate(x.Sub)
	case syntax.OpQuest:
		if in := look(x.Sub[0]); in.exact {
			return finding{exact: true, whole: in.whole, texts: append([][]class{{}}, in.texts...)}
		}
	case syntax.OpPlus:
		in := look(x.Sub[0])
		return finding{again: in.exact || in.again, texts: in.texts, need: in.need}
	}
	return finding{}
}

// concat finds out about trees one after the other.
func concat(parts []*syntax.Regexp) finding {
	c := sum{finding: nothing}
	c.walk(parts)
	return c.done()
}

// literal finds out about runes in order, in either case with fold.
func literal(text []rune, fold bool) finding {
	c := sum{finding: nothing}
	for _, r := range text {
		set := []rune{r, r}
		for f := unicode.SimpleFold(r); fold && f != r; f = unicode.SimpleFold(f) {
			set = append(set, f, f)
		}
		c.add(runes(set))
	}
	return c.done()
}

// A sum is what is known of trees one after the other: texts is the end of each match so far.
type sum struct {
	finding
}

// walk adds trees in order. Those in each other are taken apart, since a part of them may do.
func (c *sum) walk(parts []*syntax.Regexp) {
	for _, x := range parts {
		switch x.Op {
		case syntax.OpConcat, syntax.OpCapture:
			c.walk(x.Sub)
		default:
			c.add(look(x))
		}
	}
}

// add takes the next tree.
func (c *sum) add(in finding) {
	switch {
	case in.again: // begins and ends with one
		c.add(finding{exact: true, texts: in.texts, need: in.need})
		c.end()
		c.texts = in.texts
	case !in.exact:
		c.end()
		c.better(in.need)
	case !fits(c.texts, in.texts):
		c.end()
		c.better(in.need)
		c.texts = in.texts
	default:
		c.better(c.texts)
		c.better(in.need)
		c.texts = product(c.texts, in.texts)
		c.whole = c.whole && in.whole
	}
}

// end says that something unknown follows.
func (c *sum) end() {
	c.better(c.texts)
	c.texts, c.exact = [][]class{{}}, false
}

func (c *sum) better(need [][]class) {
	if worth(need) >= worth(c.need) { // the later is the longer
		c.need = need
	}
}

func (c *sum) done() finding {
	if c.exact {
		c.better(c.texts)
		return c.finding
	}
	c.end()
	return finding{need: c.need}
}

func fits(a, b [][]class) bool {
	longest := func(s [][]class) (n int) {
		for _, x := range s {
			n = max(n, len(x))
		}
		return n
	}
	return len(a)*len(b) <= maxTexts && longest(a)+longest(b) <= maxBytes
}

func product(a, b [][]class) (out [][]class) {
	for _, x := range a {
		for _, y := range b {
			out = append(out, append(slices.Clone(x), y...))
		}
	}
	return out
}

// alternate finds out about trees of which one matches.
func alternate(parts []*syntax.Regexp) finding {
	out := finding{exact: true, whole: true}
	known := true
	for _, x := range parts {
		in := look(x)
		out.exact, out.whole, known = out.exact && in.exact, out.whole && in.whole, known && in.need != nil
		out.texts, out.need = append(out.texts, in.texts...), append(out.need, in.need...)
		known = known && len(out.need) <= maxTexts
		if out.exact = out.exact && len(out.texts) <= maxTexts; !out.exact && !known {
			return finding{}
		}
	}
	if !known {
		out.need = nil
	}
	if !out.exact {
		out.texts = nil
	}
	return out
}

// runes finds out about a class of runes, given as pairs of the first and the last. Those of one byte make a class of bytes,
// of the others each is a text. U+FFFD is unknown: it stands for any byte that is not UTF-8, too.
func runes(ranges []rune) finding {
	out := finding{exact: true, whole: true}
	var ascii class
	some := false
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if r < utf8.RuneSelf {
				ascii.add(byte(r))
				some = true
				continue
			}
			if r == utf8.RuneError || !utf8.ValidRune(r) || len(out.texts) == maxTexts-1 {
				return finding{}
			}
			var text []class
			for _, b := range utf8.AppendRune(nil, r) {
				var c class
				c.add(b)
				text = append(text, c)
			}
			out.texts = append(out.texts, text)
		}
	}
	if some {
		out.texts = append(out.texts, []class{ascii})
	}
	if out.texts == nil {
		return finding{} // matches nothing
	}
	out.need = out.texts
	return out
}

// enough is a worth beyond which a text is as good as never there.
const enough = 20

// worth says how much a need tells: about how many bits its commonest text is away from what logs contain anyway, less what
// it costs to look for several.
func worth(need [][]class) float64 {
	least := math.Inf(1)
	for _, text := range need {
		rare := 0.0
		for i := range text {
			rare -= math.Log2(min(share(&text[i]), 1))
		}
		least = min(least, rare, enough)
	}
	if need == nil {
		return 0
	}
	return max(least-math.Log2(float64(len(need))), 0)
}

// share is about how much of the bytes of logs are of a class.
func share(c *class) (sum float64) {
	for i, word := range c {
		for ; word != 0; word &= word - 1 {
			switch b := byte(64*i + bits.TrailingZeros64(word)); {
			case b >= 'a' && b <= 'z', b >= '0' && b <= '9':
				sum += 1. / 48
			case b == ' ' || b == '.' || b == '-' || b == '/' || b == ':' || b == '=' || b == '_' || b == '"' || b == ',':
				sum += 1. / 50
			case b >= 'A' && b <= 'Z':
				sum += 1. / 200
			default:
				sum += 1. / 1000
			}
		}
	}
	return sum
}
