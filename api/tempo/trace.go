package tempo

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/wire"
)

// Fields of tempopb.TraceByIDResponse, and its partial status.
const (
	fieldResponseTrace   = 1
	fieldResponseStatus  = 3
	fieldResponseMessage = 4
	statusPartial        = 1
)

// parseTraceID parses up to 32 hex digits: ids may have 64 bits or lack leading zeros.
func parseTraceID(text string) (traceql.ID, error) {
	var id traceql.ID
	if text == "" || len(text) > 32 {
		return id, badRequest("%q is not a trace id; write up to 32 hex digits", text)
	}
	full := strings.Repeat("0", 32-len(text)) + text
	if _, err := hex.Decode(id[:], []byte(full)); err != nil {
		return id, badRequest("%q is not a trace id; write up to 32 hex digits", text)
	}
	return id, nil
}

// requestedTrace reads the requested trace. start and end are validated but not needed: the index finds all of a
// trace.
func (a *api) requestedTrace(r *http.Request) (traceql.Trace, error) {
	id, err := parseTraceID(r.PathValue("id"))
	if err != nil {
		return traceql.Trace{}, err
	}
	if _, err := windowParam(r); err != nil {
		return traceql.Trace{}, err
	}
	t, err := a.reader.Trace(r.Context(), id)
	if err == nil && t.Count == 0 {
		err = &httpError{http.StatusNotFound, "trace not found"}
		if t.Partial {
			err = tooLarge(t)
		}
	}
	return t, err
}

// tooLarge is for answers that cannot be marked as partial.
func tooLarge(t traceql.Trace) error {
	return &httpError{http.StatusUnprocessableEntity, partialMessage(t)}
}

func partialMessage(t traceql.Trace) string {
	return fmt.Sprintf("the trace is larger than %d bytes, of which not more are read", t.Most)
}

// serveTraceV1 returns only spans, as protobuf or as {"batches":[...]}.
func (a *api) serveTraceV1(w http.ResponseWriter, r *http.Request) error {
	t, err := a.requestedTrace(r)
	if err != nil {
		return err
	}
	if t.Partial {
		return tooLarge(t)
	}
	if wantsProtobuf(r) {
		return writeBody(w, "application/protobuf", t.Spans)
	}
	j := jsonWriter{b: make([]byte, 0, 2*len(t.Spans))}
	j.open('{')
	j.key("batches")
	j.resourceSpans(t.Spans)
	j.close('}')
	return writeBody(w, "application/json", j.b)
}

// serveTraceV2 returns a TraceByIDResponse, which can be marked as partial.
func (a *api) serveTraceV2(w http.ResponseWriter, r *http.Request) error {
	if q, err := traceql.Parse(r.FormValue("q")); err != nil || !q.MatchesAll() {
		return badRequest("q, which selects spans of a trace, is not supported; leave it out to get them all")
	}
	t, err := a.requestedTrace(r)
	if err != nil {
		return err
	}
	if wantsProtobuf(r) {
		// A Trace is encoded like an export request: ResourceSpans in field 1.
		b := wire.AppendBytes(make([]byte, 0, len(t.Spans)+128), fieldResponseTrace, t.Spans)
		if t.Partial {
			b = wire.AppendUint(b, fieldResponseStatus, statusPartial)
			b = wire.AppendString(b, fieldResponseMessage, partialMessage(t))
		}
		return writeBody(w, "application/protobuf", b)
	}
	j := jsonWriter{b: make([]byte, 0, 2*len(t.Spans))}
	j.open('{')
	j.key("trace")
	j.open('{')
	j.key("resourceSpans")
	j.resourceSpans(t.Spans)
	j.close('}')
	if t.Partial {
		j.key("status")
		j.raw(`"PARTIAL"`)
		j.key("message")
		j.quoted([]byte(partialMessage(t)))
	}
	j.close('}')
	return writeBody(w, "application/json", j.b)
}
