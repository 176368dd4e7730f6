package metrics

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// lookback is how far back a query looks for the newest value of a series, Prometheus' default.
const lookback = 5 * time.Minute

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

// querySlots lets a bounded number of queries run; the others wait, as long as a query may take.
type querySlots struct {
	slots chan struct{}
	wait  time.Duration
}

func newQuerySlots(n int, wait time.Duration) querySlots {
	return querySlots{slots: make(chan struct{}, n), wait: wait}
}

// GetMaxConcurrent implements promql.QueryTracker.
func (q querySlots) GetMaxConcurrent() int { return cap(q.slots) }

// Insert implements promql.QueryTracker.
func (q querySlots) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case q.slots <- struct{}{}: // also when the context has ended: the engine says that better
		return 0, nil
	default:
	}
	timeout := time.NewTimer(q.wait)
	defer timeout.Stop()
	select {
	case q.slots <- struct{}{}:
		return 0, nil
	case <-timeout.C:
		return 0, fmt.Errorf("the query waited %v for the %d that run; ask again later", q.wait, cap(q.slots))
	case <-ctx.Done():
		return 0, fmt.Errorf("the query was given up while it waited: %w", context.Cause(ctx))
	}
}

// Delete implements promql.QueryTracker.
func (q querySlots) Delete(int) { <-q.slots }

// Close implements promql.QueryTracker.
func (q querySlots) Close() error { return nil }
