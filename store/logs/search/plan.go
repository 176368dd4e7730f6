package search

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logql"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// A plan is a filter for the library, and the stages left to run over its rows.
type plan struct {
	filter string
	rest   *logql.LogExpr
	fields bool // every label of the rows in question is a field of its own
}

// notMarker excludes marker rows.
const notMarker = `!"` + rows.FieldMarker + `":*`

func (s *Searcher) plan(e *logql.LogExpr, from, to int64) plan {
	for _, p := range s.engine.PartitionList() {
		if day, ok := rows.ParseDay(p); ok && day >= rows.DayOf(from) && day <= rows.DayOf(to) && s.names.HasRest(day) {
			return newPlan(e, false)
		}
	}
	return newPlan(e, true)
}

// newPlan passes to the library what it decides as LogQL does. Filters that let too many rows through also stay as
// stages.
func newPlan(e *logql.LogExpr, fields bool) plan {
	stream, rest := streamFilter(e.Selector)
	p := plan{rest: &logql.LogExpr{Selector: e.Selector, Stages: rest}, fields: fields}
	parts := []string{stream, notMarker}
	asStored := true // no stage so far has changed labels
	for _, stage := range e.Stages {
		text, exact := "", false
		switch s := stage.(type) {
		case *logql.LineFilter:
			text, exact = lineFilter(s)
		case *logql.LabelFilter:
			if asStored {
				text, exact = p.condition(s.Cond)
			}
		default:
			asStored = false
		}
		if text != "" {
			parts = append(parts, text)
		}
		if !exact {
			p.rest.Stages = append(p.rest.Stages, stage)
		}
	}
	p.filter = strings.Join(parts, " ")
	return p
}

// streamFilter translates the selector. Matchers that the library might read differently become stages.
func streamFilter(sel logql.Selector) (string, []logql.Stage) {
	var parts []string
	var rest []logql.Stage
	for _, m := range sel {
		if (m.Op == logql.Match || m.Op == logql.NotMatch) && hasOp(m.Value, syntax.OpWordBoundary, syntax.OpNoWordBoundary) {
			rest = append(rest, &logql.LabelFilter{Cond: m})
			continue
		}
		parts = append(parts, engine.Quote(m.Name)+string(m.Op)+engine.Quote(m.Value))
	}
	if len(parts) == 0 {
		return "*", rest
	}
	return "{" + strings.Join(parts, ",") + "}", rest
}

// lineFilter translates a line filter; exact means that no stage is needed.
func lineFilter(f *logql.LineFilter) (text string, exact bool) {
	negative := f.Op == "!=" || f.Op == "!~"
	parts := make([]string, len(f.Values))
	exact = true
	for i, v := range f.Values {
		if f.Op == "|=" || f.Op == "!=" {
			parts[i] = engine.Quote(rows.FieldLine) + ":*" + engine.Quote(v) + "*"
			continue
		}
		same, more := likeLibrary(v)
		switch {
		case !same && (negative || !more):
			return "", false
		case !same:
			exact = false
		}
		parts[i] = engine.Quote(rows.FieldLine) + ":~" + engine.Quote(v)
	}
	text = "(" + strings.Join(parts, " or ") + ")"
	if negative {
		text = "!" + text
	}
	return text, exact
}

// likeLibrary reports whether the library matches as Go does, or at least more. Its dot matches newlines, and it
// strips a literal prefix, which breaks anchors and word boundaries.
func likeLibrary(expr string) (same, more bool) {
	if hasOp(expr, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary) {
		return false, false
	}
	if hasOp(expr, syntax.OpAnyCharNotNL) {
		return false, true
	}
	return true, true
}

// hasOp reports whether an expression has one of ops, or is invalid.
func hasOp(expr string, ops ...syntax.Op) bool {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return true
	}
	var walk func(*syntax.Regexp) bool
	walk = func(re *syntax.Regexp) bool {
		return slices.Contains(ops, re.Op) || slices.ContainsFunc(re.Sub, walk)
	}
	return walk(re)
}

// condition translates a condition on stored labels; empty if the library cannot decide it.
func (p plan) condition(c logql.Cond) (text string, exact bool) {
	switch c := c.(type) {
	case *logql.Matcher:
		return p.matcher(c)
	case *logql.Logic:
		l, lExact := p.condition(c.L)
		r, rExact := p.condition(c.R)
		switch {
		case l != "" && r != "":
			return "(" + l + " " + c.Op + " " + r + ")", lExact && rExact
		case c.Op == "and":
			return l + r, false
		}
	}
	return "", false // numbers, durations and sizes are compared by Go
}

func (p plan) matcher(m *logql.Matcher) (text string, exact bool) {
	if strings.HasPrefix(m.Name, "_") {
		return "", false // no stored label begins so; the library's own fields do
	}
	field := engine.Quote(m.Name)
	switch m.Op {
	case logql.Equal:
		text = field + ":=" + engine.Quote(m.Value)
	case logql.NotEqual:
		text = "!" + field + ":=" + engine.Quote(m.Value)
	default:
		if hasOp(m.Value, syntax.OpWordBoundary, syntax.OpNoWordBoundary) {
			return "", false
		}
		text = field + ":~" + engine.Quote("^(?s:"+m.Value+")$")
		if m.Op == logql.NotMatch {
			text = "!" + text
		}
	}
	if p.isField(m.Name) {
		return text, true
	}
	return "(" + text + " or " + engine.Quote(rows.FieldRest) + ":*)", false
}

// isField reports whether a label is always its own field.
func (p plan) isField(label string) bool {
	return !strings.HasPrefix(label, "_") && (p.fields || rows.AlwaysField(label))
}
