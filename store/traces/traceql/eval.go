package traceql

// Match returns the verdict for the span of s: Maybe only if a decisive Value was KindUnknown.
func (q *Query) Match(s Source) Verdict { return q.expr.eval(s) }

type Source interface {
	// Value returns the value of Fields()[field]; KindNil if the span has none, KindUnknown if not known yet. It is
	// valid until the next call.
	Value(field int) Value
}

// A Verdict is a match result, ordered: and is the minimum, or the maximum.
type Verdict uint8

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

// needsRoot is false for "= nil", which matches traces without a root.
func (c *compare) needsRoot(fields []Field) bool {
	return fields[c.field].Intrinsic.ofRoot() && !(c.lit.Kind == KindNil && c.op == opEqual)
}
