package traceql

// A node is a part of a query's expression.
type node interface {
	eval(s Source) Verdict
	// needsRoot reports whether the node can be Yes only where the trace's root is known.
	needsRoot(fields []Field) bool
}

type (
	constant Verdict
	and      struct{ left, right node }
	or       struct{ left, right node }
	compare  struct {
		field int
		op    operator
		lit   literal
	}
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
