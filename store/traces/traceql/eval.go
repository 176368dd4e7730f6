package traceql

// Match answers whether the span behind s is selected. It answers Maybe only if s gave a Value of KindUnknown that
// decides.
func (q *Query) Match(s Source) Verdict { return q.expr.eval(s) }

// A Source gives the values of one span.
type Source interface {
	// Value returns the value of Fields()[field]; KindNil if the span has none, KindUnknown if it cannot be known
	// yet. Byte views in it live until the next call.
	Value(field int) Value
}

// A Verdict is an answer of Match. The order matters: and is the least, or is the greatest of two.
type Verdict uint8

// The verdicts.
const (
	No Verdict = iota
	Maybe
	Yes
)

func (c constant) eval(Source) Verdict { return Verdict(c) }

func (c constant) needsRoot([]Field) bool { return Verdict(c) == No }

func (a and) eval(s Source) Verdict {
	v := a.left.eval(s)
	if v == No {
		return No
	}
	return min(v, a.right.eval(s))
}

func (a and) needsRoot(f []Field) bool { return a.left.needsRoot(f) || a.right.needsRoot(f) }

func (o or) eval(s Source) Verdict {
	v := o.left.eval(s)
	if v == Yes {
		return Yes
	}
	return max(v, o.right.eval(s))
}

func (o or) needsRoot(f []Field) bool { return o.left.needsRoot(f) && o.right.needsRoot(f) }

func (c *compare) eval(s Source) Verdict {
	v := s.Value(c.field)
	if v.Kind == KindUnknown {
		return Maybe
	}
	if c.op.holds(v, &c.lit) {
		return Yes
	}
	return No
}

// needsRoot is not true of "= nil", which selects what has no root.
func (c *compare) needsRoot(fields []Field) bool {
	return fields[c.field].Intrinsic.ofRoot() && !(c.lit.Kind == KindNil && c.op == opEqual)
}
