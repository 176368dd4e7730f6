package redaction

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestSpanNames: those of client and server spans that are of HTTP or look like URLs are cleaned, unless nothing would be left.
func TestSpanNames(t *testing.T) {
	for _, c := range []struct {
		name, want string
		kind       ptrace.SpanKind
		attribute  string
		config     string
	}{
		{"GET /users/123", "GET /users/*", ptrace.SpanKindServer, "", ""},
		{"GET /users/123", "GET /users/*", ptrace.SpanKindClient, "", "attributes: [other]"},
		{"GET /users/123", "GET /users/123", ptrace.SpanKindInternal, "", ""},
		{"GET /users/123", "GET /users/123", ptrace.SpanKindServer, "", "sanitize_span_name: false"},
		{"query users?id=1", "query users?id=1", ptrace.SpanKindServer, "", ""},
		{"query users?id=1", "query users", ptrace.SpanKindServer, "http.method", ""},
		{"/1/2", "/1/2", ptrace.SpanKindServer, "", ""},
		{"/users/" + strings.Repeat("a", 5000) + "/", "/users/" + strings.Repeat("a", 5000) + "/", ptrace.SpanKindServer, "", ""},
	} {
		td := ptrace.NewTraces()
		s := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetName(c.name)
		s.SetKind(c.kind)
		s.Events().AppendEmpty().SetName("/event/1")
		if c.attribute != "" {
			s.Attributes().PutStr(c.attribute, "GET")
		}
		in, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
		if err != nil {
			t.Fatal(err)
		}
		sink := &pipelinetest.Recorder{}
		p := made(t, pipelinetest.Decode(t, Default(), "{allow_all_keys: true, url_sanitizer: {enabled: true, "+c.config+"}}"), sink)
		if err := p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Traces, Request: in, Items: 1}); err != nil {
			t.Fatal(err)
		}
		out, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(sink.Batches()[0].Request)
		if err != nil {
			t.Fatal(err)
		}
		span := out.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
		if span.Name() != c.want || span.Events().At(0).Name() != "/event/1" {
			t.Errorf("%q, a span of kind %s, became %q, want %q", c.name, c.kind, span.Name(), c.want)
		}
	}
}

// TestOneClassifierForAll: batches of a pipeline come side by side.
func TestOneClassifierForAll(t *testing.T) {
	u, err := newURLs(&URLSanitizer{Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 500 {
				in := fmt.Sprintf("/users/%d/orders%c/x", k, 'a'+rune((i+k)%26))
				if got := string(u.clean([]byte(in))); got[:8] != "/users/*" {
					t.Errorf("%q became %q", in, got)
				}
			}
		})
	}
	wg.Wait()
}

// TestLongURLs: what the classifier remembers is bounded, and the query does not count.
func TestLongURLs(t *testing.T) {
	u, err := newURLs(&URLSanitizer{Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"/users/" + strings.Repeat("a", maxPath):       "*",
		"/users/1?q=" + strings.Repeat("a", 2*maxPath): "/users/*",
		"": "",
	} {
		if got := string(u.clean([]byte(in))); got != want {
			t.Errorf("%.20q became %.20q, want %q", in, got, want)
		}
	}
}
