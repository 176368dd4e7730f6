package logstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/logs/logql"
)

// Epoch is the zero time of cases.
var Epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// A Store is under test: empty, and with Epoch in its retention.
type Store struct {
	pipeline.Sink
	http.Handler
}

// Cases runs testdata/*.txtar, each with an empty store filled from section "rows" (see readRows) or "otlp.json".
// Sections "request NAME" (see Ask) and "want NAME" follow in pairs; update rewrites the answers.
func Cases(t *testing.T, update bool, open func(t *testing.T) Store) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runCase(t, archive, update, open(t))
			if update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func runCase(t *testing.T, archive *txtar.Archive, update bool, s Store) {
	requests := map[string]string{}
	put := func(fill func(plog.Logs)) {
		if err := s.Consume(t.Context(), Batch(t, fill)); err != nil {
			t.Fatal(err)
		}
	}
	for i, f := range archive.Files {
		kind, name, _ := strings.Cut(f.Name, " ")
		switch kind {
		case "rows":
			put(func(l plog.Logs) { readRows(t, l, string(f.Data)) })
		case "otlp.json":
			put(func(l plog.Logs) {
				u := plog.JSONUnmarshaler{}
				read, err := u.UnmarshalLogs(f.Data)
				if err != nil {
					t.Fatal(err)
				}
				read.CopyTo(l)
			})
		case "request":
			requests[name] = string(f.Data)
		case "want":
			t.Run(name, func(t *testing.T) {
				got := Ask(t, s, requests[name])
				if update {
					archive.Files[i].Data = []byte(got)
				} else if got != string(f.Data) {
					t.Errorf("%s\ngot\n%s\nwant\n%s", requests[name], got, f.Data)
				}
			})
		default:
			t.Fatalf("what is a section %q?", f.Name)
		}
	}
}

// readRows reads one row a line: resource attributes, time after Epoch, attributes, line:
//
//	{service.name=web k8s.pod.name=a} 10s [http.status=500 severity=17] the line
//
// The attributes severity and trace set the record's severity number and trace id. A line in quotes is a Go string.
func readRows(t *testing.T, logs plog.Logs, text string) {
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		rest, ok := strings.CutPrefix(l, "{")
		resource, rest, ok2 := strings.Cut(rest, "} ")
		after, rest, ok3 := strings.Cut(rest, " [")
		attrs, line, ok4 := strings.Cut(rest, "]")
		ns, err := time.ParseDuration(after)
		if !ok || !ok2 || !ok3 || !ok4 || err != nil {
			t.Fatalf("%q is no row: %v", l, err)
		}
		line = strings.TrimPrefix(line, " ")
		if unquoted, err := strconv.Unquote(line); err == nil {
			line = unquoted
		}
		rl := logs.ResourceLogs().AppendEmpty()
		eachPair(resource, func(k, v string) { rl.Resource().Attributes().PutStr(k, v) })
		r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		r.SetTimestamp(Time(Epoch.Add(ns)))
		r.Body().SetStr(line)
		eachPair(attrs, func(k, v string) {
			switch k {
			case "severity":
				n, _ := strconv.Atoi(v)
				r.SetSeverityNumber(plog.SeverityNumber(n))
			case "trace":
				var id pcommon.TraceID
				copy(id[:], v)
				r.SetTraceID(id)
			default:
				r.Attributes().PutStr(k, v)
			}
		})
	}
}

func eachPair(s string, f func(k, v string)) {
	for _, p := range strings.Fields(s) {
		k, v, _ := strings.Cut(p, "=")
		f(k, v)
	}
}

// Ask sends a request: method and path below /loki/api/v1/, then one parameter or "header Name: value" a line. A
// duration with a leading + is that long after Epoch. The answer is status and body, without statistics.
func Ask(t *testing.T, h http.Handler, text string) string {
	t.Helper()
	first, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	method, path, _ := strings.Cut(first, " ")
	form, header := url.Values{}, http.Header{}
	for _, l := range strings.Split(rest, "\n") {
		if h, ok := strings.CutPrefix(l, "header "); ok {
			k, v, _ := strings.Cut(h, ": ")
			header.Add(k, v)
			continue
		}
		k, v, _ := strings.Cut(l, "=")
		if after, ok := strings.CutPrefix(v, "+"); ok {
			if d, ok := logql.ParseDuration(after); ok || after == "0" {
				v = strconv.FormatInt(Epoch.Add(d).UnixNano(), 10)
			}
		}
		if k != "" {
			form.Add(k, v)
		}
	}
	r := httptest.NewRequest(method, "/loki/api/v1/"+path+"?"+form.Encode(), nil)
	if strings.HasPrefix(path, "/") {
		r = httptest.NewRequest(method, path, nil)
	}
	if method == http.MethodPost {
		r = httptest.NewRequest(method, "/loki/api/v1/"+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(t.Context()))
	return fmt.Sprintf("%d\n%s", w.Code, tidy(w.Body.Bytes()))
}

func tidy(body []byte) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return string(body)
	}
	if top, ok := v.(map[string]any); ok {
		if data, ok := top["data"].(map[string]any); ok {
			if _, ok := data["stats"].(map[string]any)["summary"]; !ok {
				return "no statistics: " + string(body)
			}
			delete(data, "stats")
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	_ = e.Encode(v)
	return compact(out.String())
}

// compact joins the lines of innermost objects and arrays.
func compact(s string) string {
	var out strings.Builder
	lines := strings.Split(s, "\n")
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		if strings.HasSuffix(l, "{") || strings.HasSuffix(l, "[") {
			joined, n := l, 0
			for n = 1; i+n < len(lines); n++ {
				next := strings.TrimSpace(lines[i+n])
				if strings.HasSuffix(next, "{") || strings.HasSuffix(next, "[") {
					n = 0
					break
				}
				joined += next
				if strings.HasPrefix(next, "}") || strings.HasPrefix(next, "]") {
					break
				}
				if strings.HasSuffix(next, ",") {
					joined += " "
				}
			}
			if n > 0 {
				l = joined
				i += n
			}
		}
		out.WriteString(l + "\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}
