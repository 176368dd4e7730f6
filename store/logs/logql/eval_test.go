package logql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// leaf answers every range expression with three series over three steps: {app,ns} = a/p 1 2 -, b/p 3 - 5, c/q 4 4 4.
func leaf(_ context.Context, _ *RangeExpr, f Fold) ([]Series, error) {
	no := Absent()
	all := []Series{
		{[]Label{{"app", "a"}, {"ns", "p"}}, []float64{1, 2, no}},
		{[]Label{{"app", "b"}, {"ns", "p"}}, []float64{3, no, 5}},
		{[]Label{{"app", "c"}, {"ns", "q"}}, []float64{4, 4, 4}},
	}
	if f.KeepsAll() {
		return all, nil
	}
	var out []Series
	for _, g := range group(all, f) {
		out = append(out, Series{g.labels, combine(g.members, "sum")})
	}
	return out, nil
}

func TestEval(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		e, err := Parse(strings.ReplaceAll(query, "X", `rate({a="b"}[1m])`))
		if err != nil {
			t.Fatal(err)
		}
		v := Evaluator{Steps: Steps{Count: 3}, Leaf: leaf}
		r, err := v.Eval(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range r.Series {
			line := ""
			for _, l := range s.Labels {
				line += l.Value + " "
			}
			for _, x := range s.Values {
				if IsAbsent(x) {
					line += "- "
					continue
				}
				line += fmt.Sprintf("%g ", x)
			}
			out = append(out, strings.TrimSpace(line))
		}
		if got := strings.Join(out, "; "); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
	f(`X`, "a p 1 2 -; b p 3 - 5; c q 4 4 4")
	f(`sum(X)`, "8 6 9")
	f(`sum by (ns) (X)`, "p 4 2 5; q 4 4 4")
	f(`sum without (app) (X)`, "p 4 2 5; q 4 4 4")
	f(`sum by (none) (X)`, "8 6 9")
	f(`avg by (ns) (X)`, "p 2 2 5; q 4 4 4")
	f(`min(X)`, "1 2 4")
	f(`max(X)`, "4 4 5")
	f(`count by (ns) (X)`, "p 2 1 1; q 1 1 1")
	f(`max(sum by (ns) (X))`, "4 4 5")
	f(`topk(1, X)`, "b p - - 5; c q 4 4 -")
	f(`bottomk(1, X)`, "a p 1 2 -; c q - - 4")
	f(`topk by (ns) (1, X)`, "a p - 2 -; b p 3 - 5; c q 4 4 4")
	f(`X * 2 + 1`, "a p 3 5 -; b p 7 - 11; c q 9 9 9")
	f(`10 - X`, "a p 9 8 -; b p 7 - 5; c q 6 6 6")
	f(`X / 0`, "a p NaN NaN -; b p NaN - NaN; c q NaN NaN NaN")
	f(`X > 3`, "b p - - 5; c q 4 4 4")
	f(`3 < X`, "b p - - 5; c q 4 4 4")
	f(`X > bool 3`, "a p 0 0 -; b p 0 - 1; c q 1 1 1")
	f(`X > 100`, "")
	f(`X % 2 ^ 1`, "a p 1 0 -; b p 1 - 1; c q 0 0 0")
	f(`sum(X) / sum(X)`, "1 1 1")
	f(`X + sum by (app) (X)`, "")
	f(`X and X > 3`, "b p - - 5; c q 4 4 4")
	f(`X unless X > 3`, "a p 1 2 -; b p 3 - -")
	f(`sum(X > 100) or vector(7)`, "7 7 7")
	f(`X > 3 or X`, "b p 3 - 5; c q 4 4 4; a p 1 2 -")
	f(`vector(1) + vector(1)`, "2 2 2")
	f(`1 + 2 > 2`, "1 1 1")
	f(`1 > 2`, "0 0 0")
	f(`5 % 3 - 2 ^ 3`, "-6 -6 -6")
}

func TestEvalKinds(t *testing.T) {
	v := Evaluator{Steps: Steps{Count: 1}, Leaf: leaf}
	kinds := func(query string) string {
		e, _ := Parse(query)
		r, _ := v.Eval(t.Context(), e)
		return fmt.Sprint(r.Scalar, r.Ranked)
	}
	for query, want := range map[string]string{
		`1+1`: "true false", `vector(1)`: "false false", `topk(2, rate({a="b"}[1m]))`: "false true",
	} {
		if got := kinds(query); got != want {
			t.Errorf("%s: scalar, ranked are %s, want %s", query, got, want)
		}
	}
}

// TestEvalEnds: arithmetic over numbers alone ends with its context, too.
func TestEvalEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	v := Evaluator{Steps: Steps{Count: 1}, Leaf: leaf}
	for _, query := range []string{`1+1`, `sum(vector(1))`} {
		e, _ := Parse(query)
		if _, err := v.Eval(ctx, e); !errors.Is(err, gone) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestAbsent(t *testing.T) {
	if !IsAbsent(Absent()) || IsAbsent(math.NaN()) || IsAbsent(math.Inf(1)) || IsAbsent(0) {
		t.Error("Absent is mistaken for a value")
	}
}

func TestUnits(t *testing.T) {
	for s, want := range map[string]string{
		"5m": "5m0s", "1h30m": "1h30m0s", "1d12h": "36h0m0s", "1.5w": "252h0m0s", "1y": "8760h0m0s", "250ms": "250ms",
		"-2d": "-48h0m0s", "1µs": "1µs",
	} {
		if d, ok := ParseDuration(s); !ok || d.String() != want {
			t.Errorf("%s is %v %v, want %s", s, d, ok, want)
		}
	}
	for _, s := range []string{"", "5", "0", "m", "5q", "-", "1e400y", "99999999999y", "5 m"} {
		if d, ok := ParseDuration(s); ok {
			t.Errorf("%q was read as %v", s, d)
		}
	}
	sizes := []string{"42B", "1.5kb", "20MB", "2KiB", "1Gi"}
	var got []float64
	for _, s := range sizes {
		v, _ := parseSize(s)
		got = append(got, v)
	}
	if !slices.Equal(got, []float64{42, 1500, 20e6, 2048, 1 << 30}) {
		t.Errorf("%v are %v", sizes, got)
	}
}
