// Package logql reads LogQL, the query language of Loki, and evaluates it over rows that somebody else brings.
//
// It knows no storage: [Parse] makes an expression, [LogExpr.Process] runs the stages of a log selection over one row,
// and [Evaluator] does the arithmetic of metric queries over the series that its Leaf function returns. The subset is
// closed: what LogQL has and is not supported here is refused by name and position, so that a query never answers
// something else than what it asks.
//
// It is one package of fourteen files because a node of the syntax tree evaluates itself.
package logql

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// An Expr is a parsed query. Its String is a query that parses to an equal Expr.
type Expr interface {
	String() string
	expr()
}

// A MatchOp is how a matcher or a label filter compares strings.
type MatchOp string

// The operators of matchers.
const (
	Equal    MatchOp = "="
	NotEqual MatchOp = "!="
	Match    MatchOp = "=~"
	NotMatch MatchOp = "!~"
)

// A Matcher compares one label with a string. The label that is not there has the value "".
type Matcher struct {
	Name  string
	Op    MatchOp
	Value string
	re    *regexp.Regexp // for Match and NotMatch: anchored at both ends, the dot matches newlines
}

// Matches reports whether the value passes.
func (m *Matcher) Matches(value string) bool {
	switch m.Op {
	case Equal:
		return value == m.Value
	case NotEqual:
		return value != m.Value
	case Match:
		return m.re.MatchString(value)
	default:
		return !m.re.MatchString(value)
	}
}

// Selector is a set of matchers over stream labels, all of which have to match.
type Selector []*Matcher

// A LogExpr selects rows: a selector and the stages that each selected row passes.
type LogExpr struct {
	Selector Selector
	Stages   []Stage
}

// A Stage is one step of a log pipeline: *LineFilter, *LabelFilter, *ParseStage or *DropStage.
type Stage interface {
	String() string
	process(r *Row) bool // false: the row is filtered out
}

// A LineFilter keeps rows by their line: with |= and |~ those that match any of the values, with != and !~ those that
// match none. Strings are substrings, expressions are not anchored; both are case-sensitive.
type LineFilter struct {
	Op     string // |= != |~ !~
	Values []string
	res    []*regexp.Regexp // of |~ and !~, parallel to Values
}

// A LabelFilter keeps rows by their labels.
type LabelFilter struct{ Cond Cond }

// A Cond is a condition over labels: *Matcher, *Compare or *Logic.
type Cond interface {
	String() string
	holds(r *Row) bool
}

// A Unit says what the right side of a Compare is.
type Unit uint8

// The units.
const (
	Number   Unit = iota
	Duration      // compared in seconds
	Bytes         // compared in bytes
)

// A Compare compares a label as a number.
type Compare struct {
	Name  string
	Op    string // == != > >= < <=
	Value float64
	Unit  Unit
}

// A Logic joins two conditions.
type Logic struct {
	Op   string // and, or
	L, R Cond
}

// A ParseStage takes labels out of the line.
type ParseStage struct {
	Parser  string // json, logfmt
	Extract []Extraction
}

// An Extraction takes one field under a name of its own.
type Extraction struct {
	Label, Path string
	path        []string // Path in parts; an array index is its decimal digits
}

// A DropStage removes labels, or with Keep all labels but these. An item with an operator only counts where the value
// matches.
type DropStage struct {
	Keep  bool
	Items []*Matcher // Op "" matches every value
}

// A RangeExpr counts over a window before each step: rows with t-Range < time <= t.
type RangeExpr struct {
	Func   string // count_over_time, rate, bytes_over_time, bytes_rate
	Log    *LogExpr
	Range  time.Duration
	Offset time.Duration
}

// An AggExpr folds series into groups.
type AggExpr struct {
	Op       string // sum min max avg count topk bottomk
	Param    int    // of topk and bottomk
	Expr     Expr
	Grouping []string
	Without  bool // Grouping lists what is left out
}

// A BinaryExpr joins two metric expressions.
type BinaryExpr struct {
	Op   string // + - * / % ^ == != > >= < <= and or unless
	Bool bool   // comparison gives 0 or 1 instead of filtering
	L, R Expr
}

// A NumberExpr is a scalar.
type NumberExpr struct{ Value float64 }

// A VectorExpr is vector(N): one series without labels.
type VectorExpr struct{ Value float64 }

func (*LogExpr) expr()    {}
func (*RangeExpr) expr()  {}
func (*AggExpr) expr()    {}
func (*BinaryExpr) expr() {}
func (*NumberExpr) expr() {}
func (*VectorExpr) expr() {}

func (m *Matcher) String() string { return m.Name + string(m.Op) + strconv.Quote(m.Value) }

// String writes the selector with its braces.
func (s Selector) String() string {
	parts := make([]string, len(s))
	for i, m := range s {
		parts[i] = m.String()
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (e *LogExpr) String() string {
	var b strings.Builder
	b.WriteString(e.Selector.String())
	for _, s := range e.Stages {
		b.WriteByte(' ')
		b.WriteString(s.String())
	}
	return b.String()
}

func (f *LineFilter) String() string {
	quoted := make([]string, len(f.Values))
	for i, v := range f.Values {
		quoted[i] = strconv.Quote(v)
	}
	return f.Op + " " + strings.Join(quoted, " or ")
}

func (f *LabelFilter) String() string { return "| " + f.Cond.String() }

func (c *Compare) String() string {
	v := strconv.FormatFloat(c.Value, 'g', -1, 64)
	switch c.Unit {
	case Duration:
		v = strconv.FormatFloat(c.Value, 'f', -1, 64) + "s"
	case Bytes:
		v = strconv.FormatFloat(c.Value, 'f', -1, 64) + "B"
	}
	return c.Name + " " + c.Op + " " + v
}

func (c *Logic) String() string { return "(" + c.L.String() + " " + c.Op + " " + c.R.String() + ")" }

func (s *ParseStage) String() string {
	out := "| " + s.Parser
	for i, x := range s.Extract {
		if i > 0 {
			out += ","
		}
		out += " " + x.Label + "=" + strconv.Quote(x.Path)
	}
	return out
}

func (s *DropStage) String() string {
	name := "drop"
	if s.Keep {
		name = "keep"
	}
	items := make([]string, len(s.Items))
	for i, m := range s.Items {
		items[i] = m.Name
		if m.Op != "" {
			items[i] = m.String()
		}
	}
	return "| " + name + " " + strings.Join(items, ", ")
}

func (e *RangeExpr) String() string {
	s := e.Func + "(" + e.Log.String() + " [" + e.Range.String() + "]"
	if e.Offset != 0 {
		s += " offset " + e.Offset.String()
	}
	return s + ")"
}

func (e *AggExpr) String() string {
	s := e.Op
	if e.Without {
		s += " without (" + strings.Join(e.Grouping, ", ") + ") "
	} else if len(e.Grouping) > 0 {
		s += " by (" + strings.Join(e.Grouping, ", ") + ") "
	}
	s += "("
	if e.Param > 0 {
		s += strconv.Itoa(e.Param) + ", "
	}
	return s + e.Expr.String() + ")"
}

func (e *BinaryExpr) String() string {
	op := e.Op
	if e.Bool {
		op += " bool"
	}
	return "(" + e.L.String() + " " + op + " " + e.R.String() + ")"
}

func (e *NumberExpr) String() string { return strconv.FormatFloat(e.Value, 'g', -1, 64) }

func (e *VectorExpr) String() string {
	return "vector(" + strconv.FormatFloat(e.Value, 'g', -1, 64) + ")"
}
