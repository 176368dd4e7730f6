package traceql

import (
	"errors"
	"strings"
	"testing"
)

func TestParseErrors(t *testing.T) {
	check := func(query string, unsupported bool, col int, want string) {
		t.Helper()
		_, err := Parse(query)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v, want an *Error", query, err)
			return
		}
		if e.Unsupported != unsupported || e.Col != col || !strings.Contains(e.Msg, want) {
			t.Errorf("%s:\n got col %d unsupported %t %q\nwant col %d unsupported %t %q",
				query, e.Col, e.Unsupported, e.Msg, col, unsupported, want)
		}
	}
	unsupported := func(query string, col int, want string) { t.Helper(); check(query, true, col, want) }
	invalid := func(query string, col int, want string) { t.Helper(); check(query, false, col, want) }

	unsupported(`{ .a = 1 } | count() > 2`, 12, "the pipeline stage count")
	unsupported(`{} | select(.a)`, 4, "the pipeline stage select")
	unsupported(`{} | rate() by (.a)`, 4, "the pipeline stage rate")
	unsupported(`{ .a = 1 } && { .b = 2 }`, 12, "the combination of spansets (&&)")
	unsupported(`{ .a = 1 } || { .b = 2 }`, 12, "the union of spansets (||)")
	unsupported(`{} >> {}`, 4, "the structural operator >>")
	unsupported(`{} > {}`, 4, "the structural operator >")
	unsupported(`{} !<< {}`, 4, "the structural operator !<<")
	unsupported(`{} &~ {}`, 4, "the structural operator &~")
	unsupported(`{} ~ {}`, 4, "the structural operator ~")
	unsupported(`{} with (most_recent=true)`, 4, "the query hint with(...)")
	unsupported(`({ .a = 1 })`, 1, "a group of spansets")
	unsupported(`avg(duration) > 1s`, 1, "the pipeline stage avg")
	unsupported(`{ parent.a = 1 }`, 3, "the scope parent")
	unsupported(`{ event.a = 1 }`, 3, "the scope event")
	unsupported(`{ link.a = 1 }`, 3, "the scope link")
	unsupported(`{ instrumentation.a = 1 }`, 3, "the scope instrumentation")
	unsupported(`{ event:name = "x" }`, 3, "the intrinsic event:name")
	unsupported(`{ nestedSetParent < 0 }`, 3, "the intrinsic nestedSetParent")
	unsupported(`{ childCount > 2 }`, 3, "the intrinsic childCount")
	unsupported(`{ !(.a = 1) }`, 3, "negation (!)")
	unsupported(`{ .a = .b }`, 8, "a comparison of two fields")
	unsupported(`{ "x" = .a }`, 3, "a literal on the left")
	unsupported(`{ 1 = .a }`, 3, "a literal on the left")
	unsupported(`{ error = status }`, 3, "a literal on the left")
	unsupported(`{ true = .a }`, 3, "a literal on the left")
	unsupported(`{ duration + 1s > 2s }`, 12, "arithmetic (+)")
	unsupported(`{ duration > 1s * 2 }`, 17, "arithmetic (*)")
	unsupported(`{ .a = 1 = 2 }`, 10, "a comparison of comparisons")
	unsupported(`{ .a = (1) }`, 8, "an expression on the right")

	invalid(`status = error`, 1, `expected "{"`)
	invalid(`{`, 2, "expected a condition, found the end")
	invalid(`{ .a = }`, 8, `expected a value, found "}"`)
	invalid(`{ .a = "x" `, 12, "the end of the query")
	invalid(`{ .a = "x }`, 8, "not closed")
	invalid(`{ .a = "\q" }`, 8, "escape")
	invalid("{ .a = `x }", 8, "not closed")
	invalid(`{ . = 1 }`, 3, "attribute name is missing")
	invalid(`{ span. = 1 }`, 3, "attribute name is missing")
	invalid(`{ http.status_code = 1 }`, 3, "write .http.status_code, span.http.status_code")
	invalid(`{ service = "x" }`, 3, "write .service")
	invalid(`{ .a = checkout }`, 8, "write a string in double quotes")
	invalid(`{ .a = 5x }`, 8, "neither a number nor a duration")
	invalid(`{ .a =~ 5 }`, 9, "=~ takes a string")
	invalid(`{ .a =~ "(" }`, 9, "regular expression is not valid")
	invalid(`{ .a =~ "[" }`, 9, "missing closing ]: `["+"`")
	invalid(`{ status = "error" }`, 12, "does not compare")
	invalid(`{ status > ok }`, 10, "has no order")
	invalid(`{ .a < nil }`, 6, "nil compares")
	invalid(`{ .a = error }`, 8, "write it in quotes")
	invalid(`{ kind = error }`, 10, "write it in quotes")
	invalid(`{ duration > "1s" }`, 14, "does not compare")
	invalid(`{ name = 5 }`, 10, "does not compare")
	invalid(`{ name }`, 8, "expected a comparison after")
	invalid(`{ .a = 1 && }`, 13, "expected a condition")
	invalid(`{ .a = 1 .b = 2 }`, 10, "expected &&, || or")
	invalid(`{ (.a = 1 }`, 11, `expected &&, || or ")"`)
	invalid(`{ .a == 1 }`, 6, "expected &&, || or")
	invalid(`{ .a = - "x" }`, 10, `expected a number after "-"`)
	invalid(`{ .a = 1 } x`, 12, `unexpected "x"`)
	invalid(`{ .a = 1 } $`, 12, "unexpected character")
	invalid("{ .a = 1\n && .bé = $ }", 11, "unexpected character")
	invalid("{ .a = \"\xff\" }", 1, "UTF-8")
	invalid("{"+strings.Repeat("(", 100)+" .a = 1", 66, "nested deeper")
	invalid("{ .a = \""+strings.Repeat("x", MaxQueryBytes)+"\" }", 1, "16 KiB")
}

func TestErrorHasTheFormOfTempo(t *testing.T) {
	_, err := Parse("{ true }\n | count() > 1")
	want := "invalid TraceQL query: parse error at line 2, col 2: the pipeline stage count is not supported; " +
		"this store answers conditions inside one { }"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestFieldsAreListedOnce(t *testing.T) {
	q, err := Parse(`{ (.a = 1 || .a = 2) && span:name = "x" && name != "y" && span.a = 1 && rootName = "r" }`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Field{
		{Scope: ScopeAny, Name: "a"}, {ScopeIntrinsic, Name, "name"}, {Scope: ScopeSpan, Name: "a"},
		{ScopeIntrinsic, RootName, "rootName"},
	}
	if got := q.Fields(); len(got) != len(want) {
		t.Fatalf("fields %v, want %v", got, want)
	}
	for i, f := range q.Fields() {
		if f != want[i] {
			t.Errorf("field %d is %v, want %v", i, f, want[i])
		}
	}
}

func TestParseField(t *testing.T) {
	for text, want := range map[string]Field{
		"resource.service.name": {Scope: ScopeResource, Name: "service.name"},
		"span.http.method":      {Scope: ScopeSpan, Name: "http.method"},
		".x":                    {Scope: ScopeAny, Name: "x"},
		`span."a b".c`:          {Scope: ScopeSpan, Name: "a b.c"},
		"name":                  {ScopeIntrinsic, Name, "name"},
		"span:status":           {ScopeIntrinsic, StatusCode, "status"},
	} {
		if got, err := ParseField(text); err != nil || got != want {
			t.Errorf("ParseField(%s) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "service.name", "x", ".a = 1", "event.x", "{"} {
		if f, err := ParseField(text); err == nil {
			t.Errorf("ParseField(%s) = %v, want an error", text, f)
		}
	}
}

func TestParseTags(t *testing.T) {
	yes := func(tags string, want Verdict) {
		t.Helper()
		q, err := ParseTags(tags)
		if err != nil {
			t.Errorf("%s: %v", tags, err)
			return
		}
		if got := q.Match(fakeSpan{q, checkout()}); got != want {
			t.Errorf("%s: verdict %d, want %d", tags, got, want)
		}
	}
	yes("", Yes)
	yes("service.name=CHECK", Yes)
	yes(`service.name=checkout http.status_code=503 name="get /cart"`, Yes)
	yes("service.name=checkout http.status_code=200", No)
	yes("http.status_code=50", Yes)
	yes("absent=", No)
	yes("status=error", Yes)
	yes("status.code=ok", No)
	yes("root.name=x", Maybe)
	yes("root.service.name=x service.name=nope", No)
	for _, bad := range []string{"x", "=1", `a="x`, "a b=1"} {
		if _, err := ParseTags(bad); err == nil {
			t.Errorf("ParseTags(%s) succeeded", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{ resource.service.name = "x" && (span.http.status_code >= 400 || duration > 1.5s) }`,
		"{ .\"a b\".c =~ `x|y` } // tail", `{ !(.a = 1) }`, `{} | count() > 2`, "{ .a = -1e3 && kind != server }",
		`{ nil = . }`, "{ \xff }", "{ .a = 1h30m } >> { parent.x = nil }",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if tags, err := ParseTags(query); err == nil {
			tags.Match(fakeSpan{tags, checkout()})
		}
		_, _ = ParseField(query)
		q, err := Parse(query)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Col < 1 || e.Msg == "" {
				t.Fatalf("%q: error %#v says no place", query, err)
			}
			return
		}
		q.NeedsRoot()
		full := q.Match(fakeSpan{q, checkout()})
		if full > Yes {
			t.Fatalf("%q: verdict %d", query, full)
		}
		// What a part decides stays decided when the rest is known.
		known := checkout()
		known["rootName"], known["rootServiceName"] = text("r"), text("s")
		known["traceDuration"] = Value{Kind: KindDuration, Int: 1e9}
		if v := q.Match(fakeSpan{q, known}); v == Maybe || (full != Maybe && v != full) {
			t.Fatalf("%q: verdict %d of the part, %d of the whole", query, full, v)
		}
	})
}
