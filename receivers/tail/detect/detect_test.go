package detect

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func (f *Found) String() string {
	s := fmt.Sprintf("%d:%s", f.Severity, f.SeverityText)
	if f.HasTrace {
		s += " " + hex.EncodeToString(f.TraceID[:])
	}
	if f.HasSpan {
		s += " " + hex.EncodeToString(f.SpanID[:])
	}
	if f.HasFlags {
		s += fmt.Sprintf(" %02x", f.Flags)
	}
	return s
}

func find(line string, wanted int) string {
	var f Found
	if !May([]byte(line)) || !Line([]byte(line), wanted, &f) {
		return ""
	}
	return f.String()
}

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

func TestLine(t *testing.T) {
	for line, want := range map[string]string{
		// zap, zerolog, logrus, slog, pino, bunyan, python-json-logger, Serilog, ECS, GELF, Google Cloud, OpenTelemetry.
		`{"level":"info","ts":1700000000.1,"msg":"x"}`:                                       "9:info",
		`{"time":"2026-01-01T00:00:00Z","level":"WARN","msg":"x"}`:                           "13:WARN",
		`{"time":"2026-01-01T00:00:00Z","level":"ERROR+2","msg":"x"}`:                        "19:ERROR+2",
		`{"time":"2026-01-01T00:00:00Z","level":"DEBUG-4","msg":"x"}`:                        "1:DEBUG-4",
		`{"level":30,"time":1700000000000,"pid":1,"msg":"x"}`:                                "9:30",
		`{"level":60,"msg":"x"}`:                                                             "21:60",
		`{"version":"1.1","host":"h","short_message":"x","level":4}`:                         "13:4",
		`{"asctime":"x","levelname":"CRITICAL","message":"x"}`:                               "18:CRITICAL",
		`{"@t":"x","@mt":"y","@l":"Warning","@tr":"` + traceID + `","@sp":"` + spanID + `"}`: "13:Warning " + traceID + " " + spanID,
		`{"@timestamp":"x","log.level":"error","trace.id":"` + traceID + `"}`:                "17:error " + traceID,
		`{"severity":"NOTICE","logging.googleapis.com/trace":"projects/p/traces/` + traceID + `","logging.googleapis.com/spanId":"` + spanID + `"}`: "10:NOTICE " + traceID + " " + spanID,
		`{"SeverityNumber":17,"SeverityText":"ERROR","TraceId":"` + traceID + `","SpanId":"` + spanID + `","TraceFlags":1}`:                         "17:ERROR " + traceID + " " + spanID + " 01",
		`{"msg":"a \"level\":\"error\" b","nested":{"level":"error"},"level":"info"}`:                                                               "9:info",
		`{"trace_id":"` + strings.ToUpper(traceID) + `","span_id":"` + spanID + `","trace_flags":"01"}`:                                             "0: " + traceID + " " + spanID + " 01",
		`{"trace_id":"` + traceID + `","span_id":"short","trace_flags":"zz"}`:                                                                       "0: " + traceID,
		`{ "level" : "info" , "msg" : `: "9:info", // cut off
		// Nothing of ours.
		`{"level":"loud","msg":"x"}`:                      "",
		`{"level":null,"msg":"x"}`:                        "",
		`{"level":9,"msg":"x"}`:                           "",
		`{"span_id":"` + spanID + `","trace_flags":"01"}`: "",
		`{"trace_id":"00000000000000000000000000000000"}`: "",
		`{"trace_id":"4bf92f3577b34da6a3ce929d0e0e473g"}`: "",
		`{level: info}`:                                   "",
		`{"level"`:                                        "",
		`{}      `:                                        "",
		// logfmt
		`level=warn msg="a \"b\" level=error" trace_id=` + traceID: "13:warn " + traceID,
		`ts=2026-01-01T00:00:00Z caller=a.go:1 level=error msg=x`:  "17:error",
		`time="2026-01-01 00:00:00" level=info msg=x`:              "9:info",
		`t=1 lvl=eror msg= x=y`:                                    "17:eror",
		`msg="no end level=error`:                                  "",
		`a=b and then words level=error`:                           "",
		`starting the server level=error`:                          "",
		`http://x/?level=error`:                                    "",
		// klog
		"I0102 03:04:05.678901       1 main.go:12] text": "9:INFO",
		"W0102 03:04:05.678901       1 main.go:12] text": "13:WARNING",
		"E0102 03:04:05.678901       1 main.go:12] text": "17:ERROR",
		"F0102 03:04:05.678901       1 main.go:12] text": "21:FATAL",
		"I0102 03-04:05.678901       1 main.go:12] text": "",
		"E0102":                "",
		"E01020304":            "",
		"Error: x level=error": "",
	} {
		if got := find(line, Severity|Trace); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	line := `{"level":"info","trace_id":"` + traceID + `"}`
	if got := find(line, Severity); got != "9:info" {
		t.Error(got)
	}
	if got := find(line, Trace); got != "0: "+traceID {
		t.Error(got)
	}
	if got := find("I0102 03:04:05.678901       1 main.go:12] text", Trace); got != "" {
		t.Error(got)
	}
}

// FuzzLine: nothing panics; of a line that is one JSON object with unique keys and plain strings, encoding/json sees the same.
func FuzzLine(f *testing.F) {
	for _, line := range []string{`{"level":"info","trace_id":"` + traceID + `"}`, `level=warn msg="a"`, "I0102 03:04:05.678901       1 main.go:12] text", `{"a":[{"b":"}"}],"level":30}`, `{"span_id":"` + spanID + `","x":{},"severity":"WARN"}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if !May(line) {
			return
		}
		var found Found
		got := Line(line, Severity|Trace, &found)
		if bytes.Contains(found.SeverityText, []byte{'\n'}) || len(found.SeverityText) > textMax || found.Severity > most {
			t.Fatalf("%q: %+v", line, found)
		}
		var members map[string]json.RawMessage
		if line[0] != '{' || len(line) > within || bytes.IndexByte(line, '\\') >= 0 || json.Unmarshal(line, &members) != nil {
			return
		}
		if len(members) != bytes.Count(line, []byte(`:`)) {
			return // nested, or a key twice
		}
		var want Found
		for key, raw := range members {
			var s string
			text := json.Unmarshal(raw, &s) == nil && raw[0] == '"'
			if !text {
				s = string(raw)
			}
			if k := kindOf([]byte(key)); k != 0 {
				if k == keySeverity && want.SeverityText != nil || k == keyTraceID && want.HasTrace || k == keySpanID && want.HasSpan || k == keySeverityNumber || k == keyFlags || k == keyGoogleTrace {
					return // the first counts, and a map has none
				}
				want.take(k, []byte(s), text)
			}
		}
		want.HasSpan = want.HasSpan && want.HasTrace
		if wanted := want.Severity != 0 || want.HasTrace; wanted != got || wanted && found.String() != want.String() {
			t.Fatalf("%q: %s, want %s", line, &found, &want)
		}
	})
}
