package traces

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/store/traces/traceql"
)

// apiVersion is the version of Tempo that the answers are of. It is also what keeps Grafana from asking for search
// results over gRPC, which it does from 2.2.0 on where streaming is enabled.
const apiVersion = "2.1.0"

// Handler answers for /tempo/.
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tempo/api/echo", func(w http.ResponseWriter, _ *http.Request) { writeText(w, "echo") })
	mux.HandleFunc("GET /tempo/ready", s.serveReady)
	mux.HandleFunc("GET /tempo/api/status/buildinfo", s.serveBuildInfo)
	mux.HandleFunc("GET /tempo/api/traces/{id}", s.reading(s.serveTraceV1))
	mux.HandleFunc("GET /tempo/api/v2/traces/{id}", s.reading(s.serveTraceV2))
	mux.HandleFunc("GET /tempo/api/search", s.reading(s.serveSearch))
	mux.HandleFunc("GET /tempo/api/search/tags", s.reading(s.serveTagsV1))
	mux.HandleFunc("GET /tempo/api/v2/search/tags", s.reading(s.serveTagsV2))
	mux.HandleFunc("GET /tempo/api/search/tag/{tag}/values", s.reading(s.serveTagValuesV1))
	mux.HandleFunc("GET /tempo/api/v2/search/tag/{tag}/values", s.reading(s.serveTagValuesV2))
	mux.HandleFunc("GET /tempo/api/metrics/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, badRequest("TraceQL metrics (%s) are not supported", strings.TrimPrefix(r.URL.Path, "/tempo")))
	})
	return mux
}

// An httpError is an error with what HTTP calls it.
type httpError struct {
	status int
	msg    string
}

func (e *httpError) Error() string { return e.msg }

func badRequest(format string, args ...any) *httpError {
	return &httpError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// reading runs a request that reads the store: while the store is open, with one of the places for readers, and
// ended with its client or the store.
func (s *Store) reading(serve func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Once here: FormValue leaves out what it cannot read, and a search without its q finds everything.
		if err := r.ParseForm(); err != nil {
			writeError(w, badRequest("cannot read the parameters: %v; write %%25 for a %% and %%3B for a ;", err))
			return
		}
		if err := s.enter(); err != nil {
			writeError(w, &httpError{http.StatusServiceUnavailable, err.Error()})
			return
		}
		defer s.leave()
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer context.AfterFunc(s.ending, func() { cancel(errClosing) })()
		select {
		case s.queries <- struct{}{}:
			defer func() { <-s.queries }()
		case <-ctx.Done():
			writeError(w, context.Cause(ctx))
			return
		}
		if err := serve(w, r.WithContext(ctx)); err != nil {
			s.logFailure(r, err)
			writeError(w, err)
		}
	}
}

var errClosing = errors.New("the trace store is closing")

// logFailure logs what is our fault.
func (s *Store) logFailure(r *http.Request, err error) {
	var h *httpError
	if !errors.As(err, &h) && r.Context().Err() == nil && !errors.Is(err, errClosing) {
		s.settings.Log.Error("cannot answer for traces", "path", r.URL.Path, "err", err)
	}
}

// statusClientGone is what is logged by convention for a client that did not wait; it is not read by anyone else.
const statusClientGone = 499

func writeError(w http.ResponseWriter, err error) {
	var h *httpError
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &h):
		status = h.status
	case errors.Is(err, errClosing):
		status = http.StatusServiceUnavailable
	case errors.Is(err, context.Canceled):
		status = statusClientGone
	case errors.Is(err, context.DeadlineExceeded):
		status = http.StatusGatewayTimeout
	}
	http.Error(w, err.Error(), status)
}

func writeText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text)) // a client that is gone needs no answer
}

func writeBody(w http.ResponseWriter, contentType string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that is gone needs no answer
	return nil
}

func writeJSON(w http.ResponseWriter, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // span names hold < and &
	if err := e.Encode(v); err != nil {
		return err
	}
	return writeBody(w, "application/json", b.Bytes())
}

func (s *Store) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := s.brokenBy(); err != nil {
		writeError(w, &httpError{http.StatusServiceUnavailable, err.Error()})
		return
	}
	writeText(w, "ready\n")
}

func (s *Store) serveBuildInfo(w http.ResponseWriter, _ *http.Request) {
	_ = writeJSON(w, map[string]string{
		"version": apiVersion, "revision": "sluice " + s.settings.Version, "branch": "", "buildUser": "",
		"buildDate": "", "goVersion": "",
	})
}

// Bounds of what a request may ask for.
const (
	defaultTraces = 20
	maxTraces     = 5_000
	defaultSpans  = 3
	maxSpans      = 10_000
	defaultTags   = 5_000
	maxTags       = 50_000
)

// intParam reads a number between 1 and most.
func intParam(r *http.Request, name string, otherwise, most int) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest("%s=%s is not a number from 1 to %d", name, text, most)
	}
	return n, nil
}

// windowParam reads start and end, in seconds since 1970. Without start all that is stored is meant, without end now.
func (s *Store) windowParam(r *http.Request) (window, error) {
	w := window{0, s.now() + uint64(maxAhead)}
	for _, p := range []struct {
		name string
		to   *uint64
	}{{"start", &w.from}, {"end", &w.to}} {
		text := r.FormValue(p.name)
		if text == "" || text == "0" {
			continue
		}
		seconds, err := strconv.ParseUint(text, 10, 33)
		if err != nil {
			return w, badRequest("%s=%s is not a time in seconds since 1970", p.name, text)
		}
		*p.to = seconds * uint64(time.Second)
	}
	if w.to < w.from {
		return w, badRequest("end is before start")
	}
	return w, nil
}

// durationParam reads a duration of 0 or more.
func durationParam(r *http.Request, name string) (time.Duration, error) {
	text := r.FormValue(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, badRequest("%s=%s is not a duration such as 100ms", name, text)
	}
	return d, nil
}

// queryParam reads the query of a search: q in TraceQL, or tags; with minDuration and maxDuration of the trace.
func queryParam(r *http.Request) (*traceql.Query, error) {
	q, tags := r.FormValue("q"), r.FormValue("tags")
	if q != "" && tags != "" {
		return nil, badRequest("q and tags exclude each other")
	}
	least, err := durationParam(r, "minDuration")
	if err != nil {
		return nil, err
	}
	most, err := durationParam(r, "maxDuration")
	if err != nil {
		return nil, err
	}
	var query *traceql.Query
	if tags != "" {
		query, err = traceql.ParseTags(tags)
	} else {
		query, err = traceql.Parse(q)
	}
	if err != nil {
		return nil, badRequest("%s", err)
	}
	return query.WithTraceDuration(least, most), nil
}

// wantsProtobuf reports whether the client asks for protobuf, as Grafana does for traces.
func wantsProtobuf(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/protobuf")
}
