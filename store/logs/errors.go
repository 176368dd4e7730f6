package logs

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// A queryError is a fault of the request: what it asks cannot be answered, or not within the limits.
type queryError struct{ msg string }

func (e *queryError) Error() string { return e.msg }

func badRequest(format string, args ...any) error { return &queryError{fmt.Sprintf(format, args...)} }

// statusClientGone is what Loki and nginx log for a caller that did not wait.
const statusClientGone = 499

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	var q *queryError
	var p *logql.Error
	switch {
	case errors.As(err, &q), errors.As(err, &p):
		return http.StatusBadRequest
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, errClosed):
		return http.StatusServiceUnavailable
	case errors.Is(err, context.Canceled):
		return statusClientGone
	}
	return http.StatusInternalServerError
}
