package logs

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// Handler answers the part of Loki's API that README.md lists.
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, answer := range map[string]answerer{
		"query":               s.query,
		"query_range":         s.queryRange,
		"label":               s.labels,
		"labels":              s.labels,
		"label/{name}/values": s.labelValues,
		"series":              s.series,
		"index/stats":         s.indexStats,
		"index/volume":        s.volume,
		"index/volume_range":  s.volumeRange,
		"detected_fields":     s.detectedFields,
		"status/buildinfo":    s.buildInfo,
	} {
		mux.Handle("/loki/api/v1/"+path, s.answer(answer))
	}
	mux.HandleFunc("/loki/api/v1/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, http.StatusNotFound, "this store does not do "+r.URL.Path+" of Loki's API")
	})
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ready\n")) })
	return mux
}

// A request is what an answerer gets.
type request struct {
	params
	http *http.Request
	took func() time.Duration // since the request came in
}

// An answerer makes the JSON body of an answer.
type answerer func(ctx context.Context, r request) ([]byte, error)

// errTimeout ends a query that took longer than Options.QueryTimeout.
var errTimeout = errors.New("the query took too long")

// answer wraps what every request needs: parameters, a slot, a deadline, the end with the store, rows that came just
// before, and the status of an error.
func (s *Store) answer(f answerer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			w.Header().Set("Allow", "GET, POST")
			s.fail(w, http.StatusMethodNotAllowed, "only GET and POST")
			return
		}
		p, err := readParams(w, r)
		var body []byte
		if err == nil {
			body, err = s.run(r, request{p, r, func() time.Duration { return time.Since(start) }}, f)
		}
		if err != nil {
			s.fail(w, statusOf(err), err.Error())
			return
		}
		s.metrics.queries.WithLabelValues("200").Inc()
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_, _ = w.Write(body)
	})
}

func (s *Store) run(r *http.Request, q request, f answerer) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.options.QueryTimeout, errTimeout)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(s.running, func() { stop(errClosed) })()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s.reads.RLock()
	defer s.reads.RUnlock()
	if s.running.Err() != nil {
		return nil, errClosed
	}
	s.show()
	return f(ctx, q)
}

// fail answers with a text, as Loki does.
func (s *Store) fail(w http.ResponseWriter, code int, msg string) {
	s.metrics.queries.WithLabelValues(strconv.Itoa(code)).Inc()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(msg + "\n"))
}

// query answers an instant query.
func (s *Store) query(ctx context.Context, r request) ([]byte, error) {
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
	if _, err := r.limit(s.options.MaxLines); err != nil {
		return nil, err
	}
	steps := logql.Steps{Start: at.UnixNano(), Count: 1}
	res, err := s.evaluate(ctx, e, steps)
	if err != nil {
		return nil, err
	}
	return newAnswer(r).vector(res, steps.Start), nil
}

// queryRange answers a log selection with lines, and a metric query with a matrix.
func (s *Store) queryRange(ctx context.Context, r request) ([]byte, error) {
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
	limit, err := r.limit(s.options.MaxLines)
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
		q := lineQuery{
			from: start.UnixNano(), to: end.UnixNano() - 1, limit: limit, forward: forward,
			categorize: wantsCategories(r.http),
		}
		streams, err := s.lines(ctx, q, s.plan(l, q.from, q.to))
		if err != nil {
			return nil, err
		}
		return newAnswer(r).streams(streams, q.categorize), nil
	}
	steps, err := r.steps(start, end)
	if err != nil {
		return nil, err
	}
	res, err := s.evaluate(ctx, e, steps)
	if err != nil {
		return nil, err
	}
	return newAnswer(r).matrix(res, steps), nil
}

func (s *Store) evaluate(ctx context.Context, e logql.Expr, steps logql.Steps) (logql.Result, error) {
	v := logql.Evaluator{Steps: steps}
	v.Leaf = func(ctx context.Context, e *logql.RangeExpr, f logql.Fold) ([]logql.Series, error) {
		return s.count(ctx, s.newCounter(e, f, steps))
	}
	return v.Eval(ctx, e)
}
