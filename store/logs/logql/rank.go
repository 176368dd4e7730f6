package logql

import (
	"math"
	"slices"
)

// rank keeps at each step the e.Param members with the highest (topk) or lowest (bottomk) values. Members that are
// never among them are left out; the order of the others stays.
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

// compare orders numbers, NaN before all of them.
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
