package logql

import (
	"strconv"
	"strings"
)

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
