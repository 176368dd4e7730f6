package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// served are the endpoints of Prometheus' API that the store answers, each with what may follow it. What writes,
// deletes or subscribes is not among them.
var served = map[string]bool{
	"query": true, "query_range": true, "query_exemplars": true, "format_query": true, "parse_query": true,
	"series": true, "labels": true, "label": true, "metadata": true,
	"rules": true, "alerts": true, "alertmanagers": true, "targets": true, "scrape_pools": true,
	"status": true,
}

// metadataKey marks the requests for which the target that stands for all metadata is there.
type metadataKey struct{}

// guard lets the served endpoints through and keeps browsers of other sites out.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		rest, ok := strings.CutPrefix(r.URL.Path, apiPrefix+"/")
		endpoint, _, _ := strings.Cut(rest, "/")
		if !ok || !served[endpoint] {
			fail(w, http.StatusNotFound, "not_found", "this endpoint is not supported by the embedded store")
			return
		}
		if err := checkForm(w, r); err != nil {
			fail(w, http.StatusBadRequest, "bad_data", err.Error())
			return
		}
		if endpoint == "metadata" {
			r = r.WithContext(context.WithValue(r.Context(), metadataKey{}, true))
		}
		next.ServeHTTP(w, r)
	})
}

// fail answers in the words of Prometheus' API.
func fail(w http.ResponseWriter, code int, kind, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error is the client's, who is gone.
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": kind, "error": text})
}

// Bounds of what a request to the API may say. The parser and the engine take quadratic time for nested and chained
// expressions and look at no clock meanwhile: 64 KiB of "m+m+..." cost half a minute. Quoted text, in which long lists
// of names stand, costs nothing of the kind.
const (
	maxFormBytes     = 1 << 20
	maxUnquotedBytes = 8 << 10
)

// checkForm reads the form of a request within bounds.
func checkForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("cannot read the form: %w", err)
	}
	if len(r.URL.RawQuery) > maxFormBytes {
		return fmt.Errorf("the query string has %d bytes, at most %d are taken", len(r.URL.RawQuery), maxFormBytes)
	}
	for _, key := range []string{"query", "match[]"} {
		for _, expr := range r.Form[key] {
			if n := unquoted(expr); n > maxUnquotedBytes {
				return fmt.Errorf("parameter %q has %d bytes outside of quotes, at most %d are taken", key, n, maxUnquotedBytes)
			}
		}
	}
	return nil
}

// unquoted counts the bytes of an expression that stand outside of quotes.
func unquoted(expr string) (n int) {
	quote := byte(0)
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch {
		case quote == 0:
			n++
			if c == '"' || c == '\'' || c == '`' {
				quote = c
			}
		case c == '\\' && quote != '`':
			i++
		case c == quote:
			quote = 0
		}
	}
	return n
}
