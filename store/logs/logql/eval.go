package logql

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Steps are the evaluation times of a metric query, in Unix ns.
type Steps struct {
	Start, Step int64
	Count       int
}

// At returns the i-th time.
func (s Steps) At(i int) int64 { return s.Start + int64(i)*s.Step }

// A Series is one series of a result. Values has an entry for each step, possibly Absent.
type Series struct {
	Labels []Label // sorted by name
	Values []float64
}

// absentBits is Prometheus' stale marker, a NaN that no arithmetic returns.
const absentBits = 0x7ff0000000000002

// Absent is the value of a step without one.
func Absent() float64 { return math.Float64frombits(absentBits) }

// IsAbsent reports whether v is Absent; other NaNs are not.
func IsAbsent(v float64) bool { return math.Float64bits(v) == absentBits }

// A Fold groups rows into series: by the labels in By, or all others if Without. The zero Fold with Without keeps all
// labels.
type Fold struct {
	By      []string
	Without bool
}

// KeepsAll reports whether all labels are kept.
func (f Fold) KeepsAll() bool { return f.Without && len(f.By) == 0 }

type Evaluator struct {
	Steps Steps
	// Leaf counts the rows of a range expression into one series a group.
	Leaf func(ctx context.Context, e *RangeExpr, f Fold) ([]Series, error)
}

// A Result is the answer of a metric query.
type Result struct {
	Scalar bool // the series has no labels and came from a number
	Ranked bool // topk or bottomk at the top: instant answers are sorted by value
	Series []Series
}

// Eval computes e, which must be a metric query.
func (v *Evaluator) Eval(ctx context.Context, e Expr) (Result, error) {
	series, err := v.eval(ctx, e)
	r := Result{Scalar: isScalar(e), Series: series}
	if a, ok := e.(*AggExpr); ok {
		r.Ranked = a.Op == "topk" || a.Op == "bottomk"
	}
	return r, err
}

func (v *Evaluator) eval(ctx context.Context, e Expr) ([]Series, error) {
	if err := context.Cause(ctx); err != nil { // numbers call no leaf, which would check
		return nil, err
	}
	switch e := e.(type) {
	case *NumberExpr:
		return v.constant(e.Value), nil
	case *VectorExpr:
		return v.constant(e.Value), nil
	case *RangeExpr:
		return v.Leaf(ctx, e, Fold{Without: true})
	case *AggExpr:
		return v.aggregate(ctx, e)
	case *BinaryExpr:
		l, err := v.eval(ctx, e.L)
		if err != nil {
			return nil, err
		}
		r, err := v.eval(ctx, e.R)
		if err != nil {
			return nil, err
		}
		return binary(e, l, r), nil
	}
	return nil, fmt.Errorf("cannot evaluate %T as a metric query", e)
}

func (v *Evaluator) constant(value float64) []Series {
	vs := make([]float64, v.Steps.Count)
	for i := range vs {
		vs[i] = value
	}
	return []Series{{Values: vs}}
}

// aggregate folds series. The sum of a range expression is counted directly by group.
func (v *Evaluator) aggregate(ctx context.Context, e *AggExpr) ([]Series, error) {
	fold := Fold{By: e.Grouping, Without: e.Without}
	if r, ok := e.Expr.(*RangeExpr); ok && e.Op == "sum" {
		return v.Leaf(ctx, r, fold)
	}
	in, err := v.eval(ctx, e.Expr)
	if err != nil {
		return nil, err
	}
	groups := group(in, fold)
	var out []Series
	for _, g := range groups {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if e.Op == "topk" || e.Op == "bottomk" {
			out = append(out, rank(g.members, e)...)
			continue
		}
		out = append(out, Series{Labels: g.labels, Values: combine(g.members, e.Op)})
	}
	return out, nil
}

type groupOf struct {
	labels  []Label
	members []Series
}

// group groups series, in the order of first members.
func group(in []Series, f Fold) []*groupOf {
	index := map[string]*groupOf{}
	var groups []*groupOf
	var key []byte
	for _, s := range in {
		labels := f.Labels(nil, s.Labels)
		key = AppendKey(key[:0], labels)
		g := index[string(key)]
		if g == nil {
			g = &groupOf{labels: labels}
			index[string(key)] = g
			groups = append(groups, g)
		}
		g.members = append(g.members, s)
	}
	return groups
}

// Labels appends the labels of ls that the fold keeps, in order.
func (f Fold) Labels(to, ls []Label) []Label {
	for _, l := range ls {
		named := false
		for _, n := range f.By {
			if n == l.Name {
				named = true
				break
			}
		}
		if named != f.Without && l.Value != "" {
			to = append(to, l)
		}
	}
	return to
}

// AppendKey appends a unique key of a label set; 0xff does not occur in UTF-8.
func AppendKey(to []byte, ls []Label) []byte {
	for _, l := range ls {
		to = append(to, l.Name...)
		to = append(to, 0xff)
		to = append(to, l.Value...)
		to = append(to, 0xff)
	}
	return to
}

// ParseKey is the inverse of AppendKey.
func ParseKey(key string) (ls []Label) {
	for key != "" {
		var l Label
		l.Name, key, _ = strings.Cut(key, "\xff")
		l.Value, key, _ = strings.Cut(key, "\xff")
		ls = append(ls, l)
	}
	return ls
}

// combine aggregates a group, step by step.
func combine(members []Series, op string) []float64 {
	out := make([]float64, len(members[0].Values))
	for i := range out {
		n, acc := 0, 0.0
		for _, m := range members {
			x := m.Values[i]
			if IsAbsent(x) {
				continue
			}
			n++
			switch {
			case op == "count":
			case n == 1:
				acc = x
			case op == "min":
				if x < acc || math.IsNaN(acc) {
					acc = x
				}
			case op == "max":
				if x > acc || math.IsNaN(acc) {
					acc = x
				}
			default:
				acc += x
			}
		}
		switch {
		case n == 0:
			acc = Absent()
		case op == "count":
			acc = float64(n)
		case op == "avg":
			acc /= float64(n)
		}
		out[i] = acc
	}
	return out
}

// rank keeps at each step the e.Param highest (topk) or lowest (bottomk) values, and drops series that never rank.
func rank(members []Series, e *AggExpr) []Series {
	steps := len(members[0].Values)
	out := make([]Series, len(members))
	order := make([]int, 0, len(members))
	for i := 0; i < steps; i++ {
		order = order[:0]
		for m := range members {
			if !IsAbsent(members[m].Values[i]) {
				order = append(order, m)
			}
		}
		slices.SortStableFunc(order, func(a, b int) int {
			c := compare(members[a].Values[i], members[b].Values[i])
			if e.Op == "topk" {
				c = -c
			}
			return c
		})
		for _, m := range order[:min(e.Param, len(order))] {
			if out[m].Values == nil {
				out[m] = Series{Labels: members[m].Labels, Values: allAbsent(steps)}
			}
			out[m].Values[i] = members[m].Values[i]
		}
	}
	return slices.DeleteFunc(out, func(s Series) bool { return s.Values == nil })
}

// compare orders NaN first.
func compare(a, b float64) int {
	switch {
	case a < b || math.IsNaN(a) && !math.IsNaN(b):
		return -1
	case a > b || math.IsNaN(b) && !math.IsNaN(a):
		return 1
	}
	return 0
}

func allAbsent(n int) []float64 {
	vs := make([]float64, n)
	for i := range vs {
		vs[i] = Absent()
	}
	return vs
}
