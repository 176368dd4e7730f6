package tracestest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// A Store is under test.
type Store struct {
	pipeline.Sink
	http.Handler
	Ledger *ledger.Ledger
	Wait   func(time.Duration) // lets time pass, then runs retention
}

// Cases runs testdata/*.txtar, each with an empty store. The sections run in order, under a clock that starts at
// 2000-01-01T00:00:00Z (946684800) and moves only in "wait":
//
//	spans                a batch to append, as SpanText reads it
//	wait 1h              let time pass, then run retention
//	GET /tempo/...       a request and its answer; JSON is indented, the status first unless it is 200.
//	                     Parameters are unescaped, each after a space: GET /tempo/api/search q={ .a = 1 }
//	PROTO /tempo/...     the same with Accept: application/protobuf, the answer as JSON
//	stored               spans delivered and dropped by reason, according to the ledger
func Cases(t *testing.T, update bool, open func(t *testing.T) Store) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runCase(t, archive, update, open(t))
			if update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func runCase(t *testing.T, archive *txtar.Archive, update bool, s Store) {
	for i := range archive.Files {
		f := &archive.Files[i]
		verb, rest, _ := strings.Cut(f.Name, " ")
		var got string
		switch verb {
		case "spans":
			if err := pipelinetest.Final(s.Consume(t.Context(), BatchOf(t, SpanText(t, string(f.Data))))); err != nil {
				t.Fatal(err)
			}
			continue
		case "wait":
			d, err := time.ParseDuration(rest)
			if err != nil {
				t.Fatal(err)
			}
			s.Wait(d)
			continue
		case "GET":
			got = show(Ask(s, rest, ""))
		case "PROTO":
			got = showProto(t, rest, Ask(s, rest, "application/protobuf"))
		case "stored":
			got = accountText(s.Ledger)
		default:
			t.Fatalf("unknown section %q", f.Name)
		}
		if update {
			f.Data = []byte(got)
		} else if got != string(f.Data) {
			t.Errorf("%s\n got: %s\nwant: %s", f.Name, got, f.Data)
		}
	}
}

// Ask sends a request; parameters follow the path, each after " name=".
func Ask(h http.Handler, line, accept string) *httptest.ResponseRecorder {
	path, rest, _ := strings.Cut(line, " ")
	values := url.Values{}
	for rest != "" {
		name, value, _ := strings.Cut(rest, "=")
		rest = ""
		for _, next := range []string{"q", "tags", "limit", "spss", "start", "end", "scope", "minDuration", "maxDuration"} {
			if at := strings.Index(value, " "+next+"="); at >= 0 {
				value, rest = value[:at], value[at+1:]+rest
			}
		}
		values.Set(name, value)
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func show(w *httptest.ResponseRecorder) string {
	var b bytes.Buffer
	if w.Code != http.StatusOK {
		fmt.Fprintln(&b, w.Code)
	}
	if w.Header().Get("Content-Type") != "application/json" {
		b.Write(w.Body.Bytes())
	} else if err := json.Indent(&b, w.Body.Bytes(), "", " "); err != nil {
		fmt.Fprint(&b, err, " ", w.Body)
	}
	return strings.TrimSuffix(b.String(), "\n") + "\n"
}

// showProto decodes with OTLP's generated code and shows JSON with hex ids.
func showProto(t *testing.T, line string, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code != http.StatusOK {
		return show(w)
	}
	if got := w.Header().Get("Content-Type"); got != "application/protobuf" {
		t.Errorf("%s: content type %s", line, got)
	}
	body, envelope := w.Body.Bytes(), ""
	if strings.HasPrefix(line, "/tempo/api/v2/") {
		body, envelope = OpenEnvelope(t, body)
	}
	var td tracev1.TracesData
	if err := proto.Unmarshal(body, &td); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(envelope)
	for _, rs := range td.ResourceSpans {
		fmt.Fprintf(&b, "resource %v\n", compactJSON(t, rs.Resource))
		for _, ss := range rs.ScopeSpans {
			fmt.Fprintf(&b, " scope %s %s\n", ss.Scope.GetName(), ss.Scope.GetVersion())
			for _, s := range ss.Spans {
				fmt.Fprintf(&b, "  span %x/%x %x %q %s %d-%d %s %v\n", s.TraceId, s.SpanId, s.ParentSpanId, s.Name, s.Kind,
					s.StartTimeUnixNano, s.EndTimeUnixNano, s.Status.GetCode(), len(s.Attributes))
			}
		}
	}
	return b.String()
}

// OpenEnvelope splits a tempopb.TraceByIDResponse.
func OpenEnvelope(t *testing.T, b []byte) (trace []byte, rest string) {
	t.Helper()
	for len(b) > 0 {
		field, typ, n := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(field, typ, b[n:])
		if n < 0 || size < 0 {
			t.Fatalf("not protobuf: %x", b)
		}
		if field == 1 {
			trace, _ = protowire.ConsumeBytes(b[n:])
		} else {
			rest += fmt.Sprintf("field %d: %q\n", field, b[n:n+size])
		}
		b = b[n+size:]
	}
	return trace, rest
}

func compactJSON(t *testing.T, m proto.Message) string {
	t.Helper()
	body, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil { // protojson varies its spaces on purpose
		t.Fatal(err)
	}
	return b.String()
}

func accountText(l *ledger.Ledger) string {
	delivered, drops := Account(l)
	var b strings.Builder
	fmt.Fprintln(&b, "delivered", delivered)
	for _, why := range slices.Sorted(maps.Keys(drops)) {
		fmt.Fprintln(&b, why, drops[why])
	}
	return b.String()
}
