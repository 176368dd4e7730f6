// Package loki serves the part of Loki's HTTP API that dashboards and Grafana's Explore use, over a [Reader].
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

// A Reader is a log store. Times are Unix ns.
//
// *logql.EvalError is the query's fault, fs.ErrClosed means that the store is closing, context.DeadlineExceeded that
// the query took too long.
type Reader interface {
	// Begin admits a query, after a wait if necessary. Other methods take its context, until end.
	Begin(ctx context.Context) (_ context.Context, end func(), err error)
	// Lines returns the selected lines, sorted, by stream.
	Lines(ctx context.Context, q logql.LineQuery) ([]logql.Stream, error)
	// Evaluate runs a metric query.
	Evaluate(ctx context.Context, e logql.Expr, steps logql.Steps) (logql.Result, error)
	// Streams returns the labels of streams.
	Streams(ctx context.Context, q logql.StreamQuery) ([][]logql.Label, error)
	// LabelNames and LabelValues return sorted stream labels.
	LabelNames(ctx context.Context, q logql.StreamQuery) ([]string, error)
	LabelValues(ctx context.Context, q logql.StreamQuery, name string) ([]string, error)
	// Sizes calls f with parts of each stream's size, one at a time; an error of f ends it.
	Sizes(ctx context.Context, q logql.SizeQuery, f func(logql.StreamSize) error) error
}

type api struct {
	reader  Reader
	version string // of our build
	queries *prometheus.CounterVec
}

// New makes the handler of the paths below /loki/api/v1/.
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

type request struct {
	params
	http *http.Request
	took func() time.Duration // since the request came in
}

// An answerer makes the JSON body.
type answerer func(ctx context.Context, r request) ([]byte, error)

// answer handles parameters, admission and error status.
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

// fail sends text, as Loki does.
func (a *api) fail(w http.ResponseWriter, code int, msg string) {
	a.queries.WithLabelValues(strconv.Itoa(code)).Inc()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(msg + "\n"))
}

// A paramError is an invalid parameter.
type paramError struct{ msg string }

func (e *paramError) Error() string { return e.msg }

func badRequest(format string, args ...any) error { return &paramError{fmt.Sprintf(format, args...)} }

// statusClientGone is what Loki and nginx log for a client that disconnected.
const statusClientGone = 499

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
