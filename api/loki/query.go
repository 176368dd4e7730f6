package loki

import (
	"context"

	"github.com/sluiceio/sluice/store/logs/logql"
)

func (a *api) query(ctx context.Context, r request) ([]byte, error) {
	at, err := r.time("time", r.now)
	if err != nil {
		return nil, err
	}
	e, err := logql.Parse(r.form.Get("query"))
	if err != nil {
		return nil, err
	}
	if _, ok := e.(*logql.LogExpr); ok {
		return nil, badRequest("log queries are not supported as an instant query type, please change your query to a range query type")
	}
	if _, err := r.limit(); err != nil {
		return nil, err
	}
	steps := logql.Steps{Start: at.UnixNano(), Count: 1}
	res, err := a.reader.Evaluate(ctx, e, steps)
	if err != nil {
		return nil, err
	}
	return newAnswer(r).vector(res, steps.Start), nil
}

// queryRange returns lines for a log selection and a matrix for a metric query.
func (a *api) queryRange(ctx context.Context, r request) ([]byte, error) {
	start, end, err := r.between(defaultRange)
	if err != nil {
		return nil, err
	}
	if !end.After(start) {
		return nil, errEndBeforeStart
	}
	e, err := logql.Parse(r.form.Get("query"))
	if err != nil {
		return nil, err
	}
	limit, err := r.limit()
	if err != nil {
		return nil, err
	}
	forward, err := r.forward()
	if err != nil {
		return nil, err
	}
	if err := r.noInterval(e); err != nil {
		return nil, err
	}
	if l, ok := e.(*logql.LogExpr); ok {
		if _, err := r.step(start, end); err != nil { // only checked, as in Loki
			return nil, err
		}
		q := logql.LineQuery{
			Log: l, From: start.UnixNano(), To: end.UnixNano() - 1, Limit: limit, Forward: forward,
			Categorize: wantsCategories(r.http),
		}
		streams, err := a.reader.Lines(ctx, q)
		if err != nil {
			return nil, err
		}
		return newAnswer(r).streams(streams, q.Categorize), nil
	}
	steps, err := r.steps(start, end)
	if err != nil {
		return nil, err
	}
	res, err := a.reader.Evaluate(ctx, e, steps)
	if err != nil {
		return nil, err
	}
	return newAnswer(r).matrix(res, steps), nil
}
