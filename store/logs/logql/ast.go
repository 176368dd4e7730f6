// Package logql parses LogQL and evaluates it over rows from any storage.
//
// [Parse] makes an expression, [LogExpr.Process] runs the stages of a log selection over a row, and [Evaluator]
// computes metric queries over the series of its Leaf function. Unsupported LogQL is an error with name and position.
package logql

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// An Expr is a parsed query. String returns an equivalent query.
type Expr interface {
	String() string
	expr()
}

// A MatchOp is a string comparison.
type MatchOp string

const (
	Equal    MatchOp = "="
	NotEqual MatchOp = "!="
	Match    MatchOp = "=~"
	NotMatch MatchOp = "!~"
)

// A Matcher compares a label with a string. A missing label is "".
type Matcher struct {
	Name  string
	Op    MatchOp
	Value string
	re    *regexp.Regexp // for Match and NotMatch: anchored, the dot matches newlines
}

// Matches reports whether the value matches.
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

// Selector is stream matchers, all of which must match.
type Selector []*Matcher

// A LogExpr is a selector and its pipeline.
type LogExpr struct {
	Selector Selector
	Stages   []Stage
}

// A Stage is a *LineFilter, *LabelFilter, *ParseStage or *DropStage.
type Stage interface {
	String() string
	process(r *Row) bool // false: the row is filtered out
}

// A LineFilter keeps lines that match any value (|=, |~) or none (!=, !~). Expressions are not anchored; all are
// case-sensitive.
type LineFilter struct {
	Op     string // |= != |~ !~
	Values []string
	res    []*regexp.Regexp // of |~ and !~, parallel to Values
}

// A LabelFilter keeps rows by their labels.
type LabelFilter struct{ Cond Cond }

// A Cond is a label condition: *Matcher, *Compare or *Logic.
type Cond interface {
	String() string
	holds(r *Row) bool
}

// A Unit is the type of a Compare's value.
type Unit uint8

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

// A ParseStage extracts labels from the line.
type ParseStage struct {
	Parser  string // json, logfmt
	Extract []Extraction
}

// An Extraction extracts one field as a label.
type Extraction struct {
	Label, Path string
	path        []string // Path in parts; an array index is its decimal digits
}

// A DropStage removes labels, or with Keep all others. An item with an operator must also match the value.
type DropStage struct {
	Keep  bool
	Items []*Matcher // Op "" matches every value
}

// A RangeExpr counts rows with t-Range < time <= t.
type RangeExpr struct {
	Func   string // count_over_time, rate, bytes_over_time, bytes_rate
	Log    *LogExpr
	Range  time.Duration
	Offset time.Duration
}

// An AggExpr aggregates series by group.
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

// String includes the braces.
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
