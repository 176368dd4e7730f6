package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// served are the supported endpoints; those that write, delete or subscribe are missing on purpose.
var served = map[string]bool{
	"query": true, "query_range": true, "query_exemplars": true, "format_query": true, "parse_query": true,
	"series": true, "labels": true, "label": true, "metadata": true,
	"rules": true, "alerts": true, "alertmanagers": true, "targets": true, "scrape_pools": true,
	"status": true,
}

// metadataKey marks requests that need the target for all metadata.
type metadataKey struct{}

// guard allows only the served endpoints and keeps other sites' browsers out.
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

// fail sends an error in Prometheus' format.
func fail(w http.ResponseWriter, code int, kind, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// Fails only if the client disconnected.
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": kind, "error": text})
}

// Limits on requests. Parser and engine take quadratic time for nested and chained expressions, without checking the
// timeout: 64 KiB of "m+m+..." took half a minute. Quoted text, such as long lists of names, is cheap.
const (
	maxFormBytes     = 1 << 20
	maxUnquotedBytes = 8 << 10
)

// checkForm parses the form within the limits.
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

// unquoted counts the bytes outside of quotes.
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
