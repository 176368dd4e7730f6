// Package answer judges the answers of destinations: taken, retry, or rejected.
package answer

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sluiceio/sluice/pipeline"
)

// ErrTimeout is the error of an attempt that was not answered in time.
var ErrTimeout = errors.New(`the destination did not answer within "timeout"`)

// A Verdict is what an answer means for a batch.
type Verdict uint8

// Only Rejected loses data, so it needs an explicit statement of the destination.
const (
	// Taken: delivered, except what a partial success rejected.
	Taken Verdict = iota
	// Retry: includes 500 and the like, which prove neither success nor a bad batch.
	Retry
	// Misconfigured: our address, credentials, encoding or headers are wrong. Retried, since a configuration can be
	// fixed.
	Misconfigured
	// Rejected: never retry.
	Rejected
)

// String is the verdict as the documentation names it.
func (v Verdict) String() string {
	switch v {
	case Taken:
		return "taken"
	case Retry:
		return "retried"
	case Misconfigured:
		return "retried as a configuration error"
	}
	return "rejected"
}

// An Outcome is the result of an attempt.
type Outcome struct {
	Verdict  Verdict
	Code     string          // for sluice_exporter_requests_total: an HTTP status, a gRPC code, timeout or error
	After    time.Duration   // how long the destination wants to be left alone; 0 if it did not say
	Overload bool            // it is there and asks for less
	Items    int             // Taken: how many items a partial success turned down; Rejected: how many, 0 meaning all
	Reason   pipeline.Reason // of what was turned down
	Err      error           // nil when everything was taken
	Unsure   bool            // Retry: it may have arrived all the same
	Said     bool            // Retry: the status said that it was taken, but the answer broke off before it told of partial success
}

// MayHaveArrived reports whether the destination may have what it did not confirm. 503 is a refusal in plain words, though a
// part of a batch may be there.
func (o Outcome) MayHaveArrived() bool { return o.Verdict == Retry && o.Unsure && o.Code != "503" }

// JudgeHTTP maps HTTP statuses to verdicts. A redirect gets here only if it was not followed.
func JudgeHTTP(status int) (Verdict, pipeline.Reason) {
	switch {
	case status >= 200 && status < 300:
		return Taken, ""
	case status < 400:
		return Misconfigured, ""
	case status >= 500:
		return Retry, ""
	}
	switch status {
	case http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly, http.StatusTooManyRequests:
		return Retry, ""
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusNotAcceptable, http.StatusProxyAuthRequired, http.StatusLengthRequired, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusUpgradeRequired, http.StatusRequestHeaderFieldsTooLarge:
		return Misconfigured, ""
	case http.StatusRequestEntityTooLarge:
		return Rejected, pipeline.DropTooLarge
	}
	return Rejected, pipeline.DropRejected
}

// JudgeGRPC maps gRPC codes to verdicts as the OTLP specification does, except where that loses data (README.md).
func JudgeGRPC(code codes.Code, message string) (Verdict, pipeline.Reason) {
	switch code {
	case codes.OK:
		return Taken, ""
	case codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.Unimplemented:
		return Misconfigured, ""
	case codes.InvalidArgument, codes.AlreadyExists, codes.FailedPrecondition:
		return Rejected, pipeline.DropRejected
	case codes.ResourceExhausted:
		// grpc-go: "grpc: received message larger than max (5 vs. 4)", also "... after decompression larger than
		// max"; grpc-java: "gRPC message exceeds maximum size 4: 5"; grpc core: "Received message larger than max
		// (5 vs. 4)".
		if strings.Contains(message, "message") && strings.Contains(message, "larger than max") || strings.Contains(message, "exceeds maximum size") {
			return Rejected, pipeline.DropTooLarge
		}
	}
	return Retry, ""
}

// Codes of requests without an answer.
const (
	CodeError   = "error"
	CodeTimeout = "timeout"
)

// HTTPCode is the metric label of a status. Unusual ones are grouped by first digit to bound the cardinality.
func HTTPCode(status int) string {
	switch status {
	case 200, 202, 204, 400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 501, 502, 503, 504:
		return strconv.Itoa(status)
	}
	if status < 100 || status > 599 {
		return "other"
	}
	return strconv.Itoa(status/100) + "xx"
}
