package traces

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// epoch is when the clock of the cases begins: 946684800.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// spanText reads spans from text, a line each:
//
//	resource k=v ...             the resource of the following spans
//	scope NAME VERSION           their instrumentation scope
//	span TRACE/ID PARENT NAME KIND START LENGTH [STATUS[:MESSAGE]] [k=v ...]
//
// START counts from epoch. Values are integers, floats, booleans or strings, the latter in quotes if need be, or
// lists of these in brackets. A parent of - is none.
func spanText(t testing.TB, text string) ptrace.Traces {
	t.Helper()
	td := ptrace.NewTraces()
	var rs ptrace.ResourceSpans
	var ss ptrace.ScopeSpans
	fresh := func() {
		rs = td.ResourceSpans().AppendEmpty()
		ss = rs.ScopeSpans().AppendEmpty()
	}
	for _, line := range strings.Split(text, "\n") {
		words := splitWords(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		switch words[0] {
		case "resource":
			fresh()
			for _, w := range words[1:] {
				putText(rs.Resource().Attributes(), w)
			}
		case "scope":
			if ss.Spans().Len() > 0 {
				ss = rs.ScopeSpans().AppendEmpty()
			}
			ss.Scope().SetName(words[1])
			ss.Scope().SetVersion(words[2])
		case "span":
			if td.ResourceSpans().Len() == 0 {
				fresh()
			}
			readSpan(t, ss.Spans().AppendEmpty(), words)
		default:
			t.Fatalf("cannot read %q", line)
		}
	}
	return td
}

func readSpan(t testing.TB, s ptrace.Span, words []string) {
	t.Helper()
	trace, id, _ := strings.Cut(words[1], "/")
	var tid pcommon.TraceID
	var sid, pid pcommon.SpanID
	fillHex(t, tid[:], trace)
	fillHex(t, sid[:], id)
	s.SetTraceID(tid)
	s.SetSpanID(sid)
	if words[2] != "-" {
		fillHex(t, pid[:], words[2])
		s.SetParentSpanID(pid)
	}
	s.SetName(words[3])
	for k := ptrace.SpanKindUnspecified; k <= ptrace.SpanKindConsumer; k++ {
		if strings.EqualFold(k.String(), words[4]) {
			s.SetKind(k)
		}
	}
	start, err1 := time.ParseDuration(words[5])
	length, err2 := time.ParseDuration(words[6])
	if err1 != nil || err2 != nil {
		t.Fatalf("cannot read the times of %q", words)
	}
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(epoch.Add(start)))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(epoch.Add(start + length)))
	for i, w := range words[7:] {
		status, message, _ := strings.Cut(w, ":")
		switch {
		case i == 0 && status == "error":
			s.Status().SetCode(ptrace.StatusCodeError)
			s.Status().SetMessage(message)
		case i == 0 && status == "ok":
			s.Status().SetCode(ptrace.StatusCodeOk)
		default:
			putText(s.Attributes(), w)
		}
	}
}

func fillHex(t testing.TB, dst []byte, digits string) {
	t.Helper()
	b, err := hex.DecodeString(strings.Repeat("0", 2*len(dst)-len(digits)) + digits)
	if err != nil {
		t.Fatal(err)
	}
	copy(dst, b)
}

// splitWords splits at spaces outside quotes. A word in quotes is unquoted; in k="v" the quotes stay.
func splitWords(line string) (words []string) {
	var word strings.Builder
	quoted, any := false, false
	for _, r := range line + " " {
		switch {
		case r == '"':
			quoted, any = !quoted, true
			if strings.Contains(word.String(), "=") {
				word.WriteRune(r)
			}
		case r == ' ' && !quoted:
			if any {
				words = append(words, word.String())
			}
			word.Reset()
			any = false
		default:
			word.WriteRune(r)
			any = true
		}
	}
	return words
}

func putText(m pcommon.Map, word string) {
	key, value, _ := strings.Cut(word, "=")
	setText(m.PutEmpty(key), value)
}

func setText(to pcommon.Value, text string) {
	if list, ok := strings.CutPrefix(text, "["); ok {
		slice := to.SetEmptySlice()
		for _, e := range strings.Split(strings.TrimSuffix(list, "]"), ",") {
			setText(slice.AppendEmpty(), e)
		}
		return
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		to.SetInt(n)
	} else if f, err := strconv.ParseFloat(text, 64); err == nil {
		to.SetDouble(f)
	} else if text == "true" || text == "false" {
		to.SetBool(text == "true")
	} else {
		to.SetStr(strings.Trim(text, `"`))
	}
}

// batchOf makes a batch of spans as the door would.
func batchOf(t testing.TB, td ptrace.Traces) pipeline.Batch {
	t.Helper()
	body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return checked(t, body)
}

func checked(t testing.TB, body []byte) pipeline.Batch {
	t.Helper()
	r, info, err := wire.Check(wire.Traces, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Traces, Request: r, Items: info.Items}
}

// spanIDs lists the spans of a request as TRACE/ID, in order.
func spanIDs(r wire.Request) (ids []string) {
	eachSpan(r, func(_, body []byte) bool {
		s := wire.ParseSpan(body)
		ids = append(ids, fmt.Sprintf("%x/%x", s.TraceID, s.SpanID))
		return true
	})
	return ids
}
