// Package tempo answers the part of Grafana Tempo's HTTP API that Grafana's data source uses: parameters, status codes, JSON
// and protobuf. What is stored it asks a [Reader] for, in the words of package traceql.
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

// apiVersion is the version of Tempo that the answers are of. It is also what keeps Grafana from asking for search
// results over gRPC, which it does from 2.2.0 on where streaming is enabled.
const apiVersion = "2.1.0"

// A Reader is a store of traces as the API reads it. Times are nanoseconds since 1970. Of its errors fs.ErrClosed is that
// of a store which ends.
type Reader interface {
	// Begin admits a request, which may have to wait. The other methods but Ready are called with the context that it
	// returns, until end is called.
	Begin(ctx context.Context) (_ context.Context, end func(), err error)
	// Trace returns a whole trace; one that is not stored has no spans.
	Trace(ctx context.Context, id traceql.ID) (traceql.Trace, error)
	// Search calls f with each trace that has spans which the query selects.
	Search(ctx context.Context, q traceql.Search, f func(traceql.Match)) (traceql.Cost, error)
	// Tags returns attribute keys.
	Tags(ctx context.Context, q traceql.TagScan) (traceql.Tags, traceql.Cost, error)
	// TagValues returns the values of a field, sorted.
	TagValues(ctx context.Context, q traceql.TagScan, f traceql.Field) ([]traceql.TagValue, traceql.Cost, error)
	// Ready returns why no spans are taken, nil as long as they are.
	Ready() error
}

// api is the API over one store.
type api struct {
	settings pipeline.Settings
	reader   Reader
}

// New makes the handler of the paths below /tempo/ that README.md lists.
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

// An httpError is an error with what HTTP calls it.
type httpError struct {
	status int
	msg    string
}

func (e *httpError) Error() string { return e.msg }

func badRequest(format string, args ...any) *httpError {
	return &httpError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// reading runs a request that reads the store, when it is admitted.
func (a *api) reading(serve func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Once here: FormValue leaves out what it cannot read, and a search without its q finds everything.
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

// logFailure logs what is our fault.
func (a *api) logFailure(r *http.Request, err error) {
	var h *httpError
	if !errors.As(err, &h) && r.Context().Err() == nil && !errors.Is(err, fs.ErrClosed) {
		a.settings.Log.Error("cannot answer for traces", "path", r.URL.Path, "error", err)
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
