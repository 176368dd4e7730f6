package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// maxSubquerySteps limits nested subqueries. The engine allocates two numbers a step beyond QueryMaxSamples:
// up[1y:1ms] took 500 GB and ended the process.
const maxSubquerySteps = 1_000_000

type boundedEngine struct {
	*promql.Engine
	defaultStep time.Duration // of subqueries that name none
}

// NewInstantQuery implements promql.QueryEngine.
func (b boundedEngine) NewInstantQuery(
	ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string, at time.Time,
) (promql.Query, error) {
	query, err := b.Engine.NewInstantQuery(ctx, q, opts, text, at)
	return b.check(query, err)
}

// NewRangeQuery implements promql.QueryEngine.
func (b boundedEngine) NewRangeQuery(
	ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string, start, end time.Time, step time.Duration,
) (promql.Query, error) {
	query, err := b.Engine.NewRangeQuery(ctx, q, opts, text, start, end, step)
	return b.check(query, err)
}

func (b boundedEngine) check(query promql.Query, err error) (promql.Query, error) {
	if err != nil {
		return nil, err
	}
	s, ok := query.Statement().(*parser.EvalStmt)
	if !ok {
		return query, nil
	}
	if err := b.checkSteps(query.String(), s.Expr, s.End.UnixMilli()-s.Start.UnixMilli(), maxSubquerySteps); err != nil {
		query.Close()
		return nil, err
	}
	return query, nil
}

// checkSteps checks an expression evaluated over span (ms), with so many steps left. As in the engine, a subquery
// runs over the span around it plus its own range, and nested ones are in memory at once.
func (b boundedEngine) checkSteps(query string, node parser.Node, span, left int64) error {
	switch e := node.(type) {
	case *parser.StepInvariantExpr: // evaluated at one instant
		span = 0
	case *parser.SubqueryExpr:
		step := e.Step
		if step == 0 {
			step = b.defaultStep
		}
		span += e.Range.Milliseconds()
		if step >= time.Millisecond { // the engine rounds shorter steps to 0 and divides by it
			left -= span / step.Milliseconds()
		}
		if step < time.Millisecond || left < 0 {
			return fmt.Errorf("%s: the subquery [%s:%s] takes more steps than %d, counting the range of the query and the subqueries "+
				"around it; write a longer step or a shorter range", e.PositionRange().StartPosInput(query, 0),
				model.Duration(e.Range), model.Duration(step), maxSubquerySteps)
		}
	}
	for child := range parser.ChildrenIter(node) {
		if err := b.checkSteps(query, child, span, left); err != nil {
			return err
		}
	}
	return nil
}
