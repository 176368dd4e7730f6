// Package search answers LogQL over the rows of an [engine.Engine].
//
// Selectors, line filters, label comparisons and the time range become an engine query (plan.go); package logql runs
// the rest over its rows. The engine counts by itself where possible (parts.go).
package search

import (
	"context"

	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logql"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// Limits apply to one query.
type Limits struct {
	Series      int   // of a metric query, before and after it is aggregated
	ResultBytes int64 // in memory
}

// A Searcher runs queries. A *logql.EvalError is the query's fault.
type Searcher struct {
	engine engine.Engine
	names  *rows.Names
	limits Limits
}

// New makes a Searcher; names are the admitted fields.
func New(e engine.Engine, names *rows.Names, l Limits) *Searcher { return &Searcher{e, names, l} }

// Evaluate runs a metric query.
func (s *Searcher) Evaluate(ctx context.Context, e logql.Expr, steps logql.Steps) (logql.Result, error) {
	v := logql.Evaluator{Steps: steps}
	v.Leaf = func(ctx context.Context, e *logql.RangeExpr, f logql.Fold) ([]logql.Series, error) {
		return s.count(ctx, s.newCounter(e, f, steps))
	}
	return v.Eval(ctx, e)
}
