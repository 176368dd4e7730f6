package logql

import "math"

// binary joins two operands: series by equal labels, numbers with every series.
func binary(e *BinaryExpr, l, r []Series) []Series {
	switch {
	case isScalar(e.R):
		number, boolean := r[0].Values, isScalar(e.L)
		return each(l, func(i int, x float64) float64 { return e.apply(x, number[i], x, boolean) })
	case isScalar(e.L):
		number := l[0].Values
		return each(r, func(i int, x float64) float64 { return e.apply(number[i], x, x, false) })
	}
	right := make(map[string]Series, len(r))
	var key []byte
	for _, s := range r {
		key = AppendKey(key[:0], s.Labels)
		right[string(key)] = s
	}
	var out []Series
	for _, s := range l {
		key = AppendKey(key[:0], s.Labels)
		other, ok := right[string(key)]
		if !ok {
			if e.Op == "or" || e.Op == "unless" {
				out = append(out, s)
			}
			continue
		}
		delete(right, string(key))
		if e.Op == "or" {
			out = append(out, fill(s, other))
			continue
		}
		out = append(out, each([]Series{s}, func(i int, x float64) float64 { return e.join(x, other.Values[i]) })...)
	}
	if e.Op == "or" {
		out = append(out, unmatched(r, right)...)
	}
	return out
}

// unmatched returns the series still in the index, in order.
func unmatched(all []Series, index map[string]Series) []Series {
	var out []Series
	var key []byte
	for _, s := range all {
		key = AppendKey(key[:0], s.Labels)
		if _, ok := index[string(key)]; ok {
			out = append(out, s)
		}
	}
	return out
}

// fill is "or": the left value if there is one.
func fill(l, r Series) Series {
	vs := make([]float64, len(l.Values))
	for i, x := range l.Values {
		if IsAbsent(x) {
			x = r.Values[i]
		}
		vs[i] = x
	}
	return Series{Labels: l.Labels, Values: vs}
}

// join is the value for one step.
func (e *BinaryExpr) join(l, r float64) float64 {
	switch {
	case e.Op == "unless":
		if IsAbsent(r) {
			return l
		}
		return Absent()
	case IsAbsent(r):
		return Absent()
	case e.Op == "and":
		return l
	}
	return e.apply(l, r, l, false)
}

// apply computes an operator. A true comparison gives keep, or 1 if boolean.
func (e *BinaryExpr) apply(l, r, keep float64, boolean bool) float64 {
	switch e.Op {
	case "+":
		return l + r
	case "-":
		return l - r
	case "*":
		return l * r
	case "/":
		if r == 0 {
			return math.NaN() // as in LogQL; PromQL has Inf
		}
		return l / r
	case "%":
		if r == 0 {
			return math.NaN()
		}
		return math.Mod(l, r)
	case "^":
		return math.Pow(l, r)
	}
	holds := e.compares(l, r)
	switch {
	case (e.Bool || boolean) && holds:
		return 1
	case e.Bool || boolean:
		return 0
	case holds:
		return keep
	}
	return Absent()
}

func (e *BinaryExpr) compares(l, r float64) bool {
	switch e.Op {
	case "==":
		return l == r
	case "!=":
		return l != r
	case ">":
		return l > r
	case ">=":
		return l >= r
	case "<":
		return l < r
	}
	return l <= r
}

// each applies f to all values and drops series that become empty.
func each(in []Series, f func(step int, x float64) float64) []Series {
	out := make([]Series, 0, len(in))
	for _, s := range in {
		vs := make([]float64, len(s.Values))
		some := false
		for i, x := range s.Values {
			vs[i] = x
			if !IsAbsent(x) {
				vs[i] = f(i, x)
				some = some || !IsAbsent(vs[i])
			}
		}
		if some {
			out = append(out, Series{Labels: s.Labels, Values: vs})
		}
	}
	return out
}
