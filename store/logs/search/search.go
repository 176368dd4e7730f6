// Package search answers the questions of LogQL over the rows of an [engine.Engine].
//
// Selectors, line filters, comparisons of labels and the time range become a query of the engine (plan.go); what remains
// runs over the rows it finds, block by block, in package logql. Counts that the engine can make by itself, it makes
// (parts.go).
package search

import (
	"context"

	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logql"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// Limits bound what one query takes.
type Limits struct {
	Series      int   // of a metric query, before and after it is aggregated
	ResultBytes int64 // in memory
}

// A Searcher runs queries. Errors of type *logql.EvalError are the query's fault.
type Searcher struct {
	engine engine.Engine
	names  *rows.Names
	limits Limits
}

// New makes a Searcher over rows whose fields are those that names has admitted.
func New(e engine.Engine, names *rows.Names, l Limits) *Searcher { return &Searcher{e, names, l} }

// Evaluate answers a metric query.
func (s *Searcher) Evaluate(ctx context.Context, e logql.Expr, steps logql.Steps) (logql.Result, error) {
	v := logql.Evaluator{Steps: steps}
	v.Leaf = func(ctx context.Context, e *logql.RangeExpr, f logql.Fold) ([]logql.Series, error) {
		return s.count(ctx, s.newCounter(e, f, steps))
	}
	return v.Eval(ctx, e)
}
