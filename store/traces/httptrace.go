package traces

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/wire"
)

// Field numbers of tempopb.TraceByIDResponse, and the value of its status.
const (
	fieldResponseTrace   = 1
	fieldResponseStatus  = 3
	fieldResponseMessage = 4
	statusPartial        = 1
)

// parseTraceID reads 32 hex digits, or fewer: ids of 64 bit, and ids whose leading zeros were cut.
func parseTraceID(text string) (traceID, error) {
	var id traceID
	if text == "" || len(text) > 32 {
		return id, badRequest("%q is not a trace id; write up to 32 hex digits", text)
	}
	full := strings.Repeat("0", 32-len(text)) + text
	if _, err := hex.Decode(id[:], []byte(full)); err != nil {
		return id, badRequest("%q is not a trace id; write up to 32 hex digits", text)
	}
	return id, nil
}

// requestedTrace reads the trace that a request names. start and end, by which Tempo saves reading blocks, are
// checked and not needed: the index finds all of a trace at once.
func (s *Store) requestedTrace(r *http.Request) (trace, error) {
	id, err := parseTraceID(r.PathValue("id"))
	if err != nil {
		return trace{}, err
	}
	if _, err := s.windowParam(r); err != nil {
		return trace{}, err
	}
	t, err := s.trace(r.Context(), id)
	if err == nil && t.count == 0 {
		err = &httpError{http.StatusNotFound, "trace not found"}
		if t.partial {
			err = s.tooLarge()
		}
	}
	return t, err
}

// tooLarge is the answer where an answer in part cannot be told from a whole one.
func (s *Store) tooLarge() error {
	return &httpError{http.StatusUnprocessableEntity, s.partialMessage()}
}

func (s *Store) partialMessage() string {
	return fmt.Sprintf("the trace is larger than %d bytes, of which not more are read", s.options.MaxTraceBytes)
}

// serveTraceV1 answers with the spans alone, as protobuf or as {"batches":[...]}.
func (s *Store) serveTraceV1(w http.ResponseWriter, r *http.Request) error {
	t, err := s.requestedTrace(r)
	if err != nil {
		return err
	}
	if t.partial {
		return s.tooLarge()
	}
	if wantsProtobuf(r) {
		return writeBody(w, "application/protobuf", t.spans)
	}
	j := jsonWriter{b: make([]byte, 0, 2*len(t.spans))}
	j.open('{')
	j.key("batches")
	j.resourceSpans(t.spans)
	j.close('}')
	return writeBody(w, "application/json", j.b)
}

// serveTraceV2 answers with a TraceByIDResponse, which can say that it is not the whole trace.
func (s *Store) serveTraceV2(w http.ResponseWriter, r *http.Request) error {
	if q, err := traceql.Parse(r.FormValue("q")); err != nil || !q.MatchesAll() {
		return badRequest("q, which selects spans of a trace, is not supported; leave it out to get them all")
	}
	t, err := s.requestedTrace(r)
	if err != nil {
		return err
	}
	if wantsProtobuf(r) {
		// The body of a Trace is that of an export request: ResourceSpans as field 1.
		b := wire.AppendBytes(make([]byte, 0, len(t.spans)+128), fieldResponseTrace, t.spans)
		if t.partial {
			b = wire.AppendUint(b, fieldResponseStatus, statusPartial)
			b = wire.AppendString(b, fieldResponseMessage, s.partialMessage())
		}
		return writeBody(w, "application/protobuf", b)
	}
	j := jsonWriter{b: make([]byte, 0, 2*len(t.spans))}
	j.open('{')
	j.key("trace")
	j.open('{')
	j.key("resourceSpans")
	j.resourceSpans(t.spans)
	j.close('}')
	if t.partial {
		j.key("status")
		j.raw(`"PARTIAL"`)
		j.key("message")
		j.quoted([]byte(s.partialMessage()))
	}
	j.close('}')
	return writeBody(w, "application/json", j.b)
}
