// Package tempo serves the part of Tempo's HTTP API that Grafana's data source uses, over a [Reader].
package tempo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/traces/traceql"
)

// apiVersion is the Tempo version we report. From 2.2.0 on, Grafana may search over gRPC.
const apiVersion = "2.1.0"

// A Reader is a trace store. Times are Unix ns. fs.ErrClosed means that the store is closing.
type Reader interface {
	// Begin admits a query, after a wait if necessary. Other methods except Ready take its context, until end.
	Begin(ctx context.Context) (_ context.Context, end func(), err error)
	// Trace returns a whole trace; an unknown one has no spans.
	Trace(ctx context.Context, id traceql.ID) (traceql.Trace, error)
	// Search calls f with each trace that has matching spans.
	Search(ctx context.Context, q traceql.Search, f func(traceql.Match)) (traceql.Cost, error)
	// Tags returns attribute keys.
	Tags(ctx context.Context, q traceql.TagScan) (traceql.Tags, traceql.Cost, error)
	// TagValues returns a field's values, sorted.
	TagValues(ctx context.Context, q traceql.TagScan, f traceql.Field) ([]traceql.TagValue, traceql.Cost, error)
	// Ready returns why no spans are accepted.
	Ready() error
}

type api struct {
	settings pipeline.Settings
	reader   Reader
}

// New makes the handler of the paths below /tempo/.
func New(settings pipeline.Settings, r Reader) http.Handler {
	a := &api{settings, r}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tempo/api/echo", func(w http.ResponseWriter, _ *http.Request) { writeText(w, "echo") })
	mux.HandleFunc("GET /tempo/ready", a.serveReady)
	mux.HandleFunc("GET /tempo/api/status/buildinfo", a.serveBuildInfo)
	mux.HandleFunc("GET /tempo/api/traces/{id}", a.reading(a.serveTraceV1))
	mux.HandleFunc("GET /tempo/api/v2/traces/{id}", a.reading(a.serveTraceV2))
	mux.HandleFunc("GET /tempo/api/search", a.reading(a.serveSearch))
	mux.HandleFunc("GET /tempo/api/search/tags", a.reading(a.serveTagsV1))
	mux.HandleFunc("GET /tempo/api/v2/search/tags", a.reading(a.serveTagsV2))
	mux.HandleFunc("GET /tempo/api/search/tag/{tag}/values", a.reading(a.serveTagValuesV1))
	mux.HandleFunc("GET /tempo/api/v2/search/tag/{tag}/values", a.reading(a.serveTagValuesV2))
	mux.HandleFunc("GET /tempo/api/metrics/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, badRequest("TraceQL metrics (%s) are not supported", strings.TrimPrefix(r.URL.Path, "/tempo")))
	})
	return mux
}

// An httpError is an error with its status.
type httpError struct {
	status int
	msg    string
}

func (e *httpError) Error() string { return e.msg }

func badRequest(format string, args ...any) *httpError {
	return &httpError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// reading wraps a request that reads the store.
func (a *api) reading(serve func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// FormValue ignores parse errors, and a search without q finds everything.
		if err := r.ParseForm(); err != nil {
			writeError(w, badRequest("cannot read the parameters: %v; write %%25 for a %% and %%3B for a ;", err))
			return
		}
		ctx, end, err := a.reader.Begin(r.Context())
		if err != nil {
			writeError(w, err)
			return
		}
		defer end()
		if err := serve(w, r.WithContext(ctx)); err != nil {
			a.logFailure(r, err)
			writeError(w, err)
		}
	}
}

// logFailure logs errors that are our fault.
func (a *api) logFailure(r *http.Request, err error) {
	var h *httpError
	if !errors.As(err, &h) && r.Context().Err() == nil && !errors.Is(err, fs.ErrClosed) {
		a.settings.Log.Error("cannot answer for traces", "path", r.URL.Path, "error", err)
	}
}

// statusClientGone is by convention logged for a client that disconnected.
const statusClientGone = 499

func writeError(w http.ResponseWriter, err error) {
	var h *httpError
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &h):
		status = h.status
	case errors.Is(err, fs.ErrClosed):
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

func (a *api) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := a.reader.Ready(); err != nil {
		writeError(w, &httpError{http.StatusServiceUnavailable, err.Error()})
		return
	}
	writeText(w, "ready\n")
}

func (a *api) serveBuildInfo(w http.ResponseWriter, _ *http.Request) {
	_ = writeJSON(w, map[string]string{
		"version": apiVersion, "revision": "sluice " + a.settings.Version, "branch": "", "buildUser": "",
		"buildDate": "", "goVersion": "",
	})
}
