// Package loki answers the part of Loki's HTTP API that dashboards and Grafana's Explore use: parameters, status codes and
// JSON. What is stored it asks a [Reader] for, in the words of package logql.
package loki

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/logs/logql"
)

// A Reader is a store of logs as the API reads it. Times are nanoseconds since 1970.
//
// Of its errors *logql.EvalError is the request's fault, fs.ErrClosed that of a store which ends, and
// context.DeadlineExceeded a query's that took too long.
type Reader interface {
	// Begin admits a request, which may have to wait. The other methods are called with the context that it returns, until
	// end is called.
	Begin(ctx context.Context) (_ context.Context, end func(), err error)
	// Lines returns the lines that a selection selects, sorted, by stream.
	Lines(ctx context.Context, q logql.LineQuery) ([]logql.Stream, error)
	// Evaluate computes a metric query.
	Evaluate(ctx context.Context, e logql.Expr, steps logql.Steps) (logql.Result, error)
	// Streams returns the labels of streams.
	Streams(ctx context.Context, q logql.StreamQuery) ([][]logql.Label, error)
	// LabelNames returns the names of the labels of streams, sorted, and LabelValues the values of one.
	LabelNames(ctx context.Context, q logql.StreamQuery) ([]string, error)
	LabelValues(ctx context.Context, q logql.StreamQuery, name string) ([]string, error)
	// Sizes calls f, once at a time, for pieces of each stream that is selected and each part of the range. An error of f
	// ends it.
	Sizes(ctx context.Context, q logql.SizeQuery, f func(logql.StreamSize) error) error
}

// api is the API over one store.
type api struct {
	reader  Reader
	version string // of our build
	queries *prometheus.CounterVec
}

// New makes the handler of the paths below /loki/api/v1/ that README.md lists.
func New(s pipeline.Settings, r Reader) (http.Handler, error) {
	a := &api{reader: r, version: s.Version, queries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_store_logs_queries_total", Help: "Requests to the query API, by status code.",
	}, []string{"code"})}
	if err := s.Metrics.Register(a.queries); err != nil {
		return nil, fmt.Errorf("cannot register the metrics of the Loki API: %w", err)
	}
	mux := http.NewServeMux()
	for path, answer := range map[string]answerer{
		"query":               a.query,
		"query_range":         a.queryRange,
		"label":               a.labels,
		"labels":              a.labels,
		"label/{name}/values": a.labelValues,
		"series":              a.series,
		"index/stats":         a.indexStats,
		"index/volume":        a.volume,
		"index/volume_range":  a.volumeRange,
		"detected_fields":     a.detectedFields,
		"status/buildinfo":    a.buildInfo,
	} {
		mux.Handle("/loki/api/v1/"+path, a.answer(answer))
	}
	mux.HandleFunc("/loki/api/v1/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, http.StatusNotFound, r.URL.Path+" of Loki's API is not supported")
	})
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ready\n")) })
	return mux, nil
}

// A request is what an answerer gets.
type request struct {
	params
	http *http.Request
	took func() time.Duration // since the request came in
}

// An answerer makes the JSON body of an answer.
type answerer func(ctx context.Context, r request) ([]byte, error)

// answer wraps what every request needs: parameters, admission, and the status of an error.
func (a *api) answer(f answerer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			w.Header().Set("Allow", "GET, POST")
			a.fail(w, http.StatusMethodNotAllowed, "only GET and POST")
			return
		}
		p, err := readParams(w, r)
		var body []byte
		if err == nil {
			body, err = a.run(r.Context(), request{p, r, func() time.Duration { return time.Since(start) }}, f)
		}
		if err != nil {
			a.fail(w, statusOf(err), err.Error())
			return
		}
		a.queries.WithLabelValues("200").Inc()
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_, _ = w.Write(body)
	})
}

func (a *api) run(ctx context.Context, r request, f answerer) ([]byte, error) {
	ctx, end, err := a.reader.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return f(ctx, r)
}

// fail answers with a text, as Loki does.
func (a *api) fail(w http.ResponseWriter, code int, msg string) {
	a.queries.WithLabelValues(strconv.Itoa(code)).Inc()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(msg + "\n"))
}

// A paramError is a parameter that cannot be answered.
type paramError struct{ msg string }

func (e *paramError) Error() string { return e.msg }

func badRequest(format string, args ...any) error { return &paramError{fmt.Sprintf(format, args...)} }

// statusClientGone is what Loki and nginx log for a caller that did not wait.
const statusClientGone = 499

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	var p *paramError
	var l *logql.Error
	var e *logql.EvalError
	switch {
	case errors.As(err, &p), errors.As(err, &l), errors.As(err, &e):
		return http.StatusBadRequest
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, fs.ErrClosed):
		return http.StatusServiceUnavailable
	case errors.Is(err, context.Canceled):
		return statusClientGone
	}
	return http.StatusInternalServerError
}
