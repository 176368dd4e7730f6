package otlp

import (
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/internal/listen/http1"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

func answer(kind string, rejected int, err error) http1.Reply {
	if err == nil {
		return success(kind, 0, "")
	}
	if message, is := partialOf(err); is {
		return success(kind, rejected, message)
	}
	var invalid errInvalid
	var none errNoPipeline
	var tooBig *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &invalid):
		return failure(kind, http.StatusBadRequest, invalid.Error())
	case errors.As(err, &none):
		return failure(kind, http.StatusNotFound, none.Error())
	case errors.Is(err, inflate.ErrTooLarge), errors.As(err, &tooBig):
		return failure(kind, http.StatusRequestEntityTooLarge, "the body exceeds max_request_body_size; send smaller batches")
	case errors.Is(err, inflate.ErrEncoding):
		return failure(kind, http.StatusUnsupportedMediaType, err.Error(), [2]string{"Accept-Encoding", inflate.Encodings})
	case isRefusal(err):
		return refusal(kind, err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return refusal(kind, pipeline.Refuse(time.Second, errors.New("the body did not come within read_timeout"))) // 408 is not repeated
	}
	return failure(kind, http.StatusBadRequest, err.Error())
}

func isRefusal(err error) bool {
	var r *pipeline.Refused
	return errors.As(err, &r)
}

func isCorrupt(err error) bool {
	var tooBig *http.MaxBytesError
	var network net.Error
	return !isRefusal(err) && !errors.Is(err, inflate.ErrTooLarge) && !errors.Is(err, inflate.ErrEncoding) &&
		!errors.As(err, &tooBig) && !errors.As(err, &network)
}

func refusal(kind string, err error) http1.Reply {
	ref, _ := pipeline.AsRefused(err)
	code := http.StatusServiceUnavailable
	if ref.Overload {
		code = http.StatusTooManyRequests
	}
	if ref.After <= 0 {
		return failure(kind, code, ref.Error())
	}
	return failure(kind, code, ref.Error(), [2]string{"Retry-After", strconv.Itoa(int(math.Ceil(ref.After.Seconds())))})
}

func success(kind string, rejected int, message string) http1.Reply {
	switch {
	case kind != typeJSON:
		return http1.Reply{Status: http.StatusOK, Type: typeProtobuf, Body: appendPartial(nil, rejected, message)}
	case rejected == 0:
		return http1.Reply{Status: http.StatusOK, Type: typeJSON, Body: []byte("{}")}
	}
	// Protobuf JSON encodes int64 as a string. The key depends on the signal: set all three, clients ignore unknown keys.
	n := strconv.Itoa(rejected)
	return inJSON(http.StatusOK, map[string]any{"partialSuccess": map[string]string{
		"rejectedLogRecords": n, "rejectedDataPoints": n, "rejectedSpans": n, "errorMessage": message,
	}})
}

// failure returns a google.rpc.Status, as OTLP requires.
func failure(kind string, code int, message string, fields ...[2]string) http1.Reply {
	var r http1.Reply
	if kind == typeJSON {
		r = inJSON(code, map[string]any{"code": int(rpcCode(code)), "message": message})
	} else {
		body := wire.AppendUint(nil, 1, uint64(rpcCode(code)))
		r = http1.Reply{Status: code, Type: typeProtobuf, Body: wire.AppendString(body, 2, message)}
	}
	r.Fields = fields
	return r
}

func inJSON(code int, v any) http1.Reply {
	b, _ := json.Marshal(v)
	return http1.Reply{Status: code, Type: typeJSON, Body: append(b, '\n')}
}

var headerProtobuf = []string{typeProtobuf}

func write(w http.ResponseWriter, r http1.Reply) {
	h := w.Header()
	if h["Content-Type"] = headerProtobuf; r.Type != typeProtobuf {
		h["Content-Type"] = []string{r.Type}
	}
	for _, f := range r.Fields {
		h.Set(f[0], f[1])
	}
	if len(r.Body) > 0 {
		h.Set("Content-Length", strconv.Itoa(len(r.Body))) // net/http would send a long body in chunks
	}
	w.WriteHeader(r.Status)
	w.Write(r.Body)
}
