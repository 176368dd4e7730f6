package traceql

import "testing"

// fakeSpan answers by the field's written form.
type fakeSpan struct {
	q      *Query
	values map[string]Value
}

func (s fakeSpan) Value(i int) Value {
	f := s.q.Fields()[i]
	switch f.Scope {
	case ScopeSpan:
		return s.values["span."+f.Name]
	case ScopeResource:
		return s.values["resource."+f.Name]
	case ScopeAny:
		if v, ok := s.values["span."+f.Name]; ok {
			return v
		}
		return s.values["resource."+f.Name]
	}
	return s.values[f.Name]
}

func text(s string) Value { return Value{Kind: KindString, Str: []byte(s)} }

func array(vs ...Value) Value {
	return Value{Kind: KindArray, Each: func(yield func(Value) bool) {
		for _, v := range vs {
			if !yield(v) {
				return
			}
		}
	}}
}

// checkout is the span that the tables ask about.
func checkout() map[string]Value {
	return map[string]Value{
		"name":                      text("GET /cart"),
		"status":                    {Kind: KindStatus, Int: 2},
		"statusMessage":             text("boom"),
		"kind":                      {Kind: KindSpanKind, Int: 2},
		"duration":                  {Kind: KindDuration, Int: 150e6},
		"span:id":                   text("00000000000000a1"),
		"rootName":                  {Kind: KindUnknown},
		"rootServiceName":           {Kind: KindUnknown},
		"traceDuration":             {Kind: KindUnknown},
		"span.http.status_code":     {Kind: KindInt, Int: 503},
		"span.ratio":                {Kind: KindFloat, Float: 0.5},
		"span.cached":               {Kind: KindBool, Int: 1},
		"span.cold":                 {Kind: KindBool, Int: 0},
		"span.env":                  text("span-env"),
		"span.with space":           text("x"),
		"span.tags":                 array(text("red"), text("blue"), Value{Kind: KindInt, Int: 3}),
		"span.none":                 array(),
		"span.map":                  {Kind: KindOther},
		"resource.env":              text("prod"),
		"resource.service.name":     text("checkout"),
		"resource.service.instance": text("a-1"),
	}
}

func TestMatch(t *testing.T) {
	check := func(query string, want Verdict) {
		t.Helper()
		q, err := Parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			return
		}
		if got := q.Match(fakeSpan{q, checkout()}); got != want {
			t.Errorf("%s: verdict %d, want %d", query, got, want)
		}
	}
	yes := func(query string) { t.Helper(); check(query, Yes) }
	no := func(query string) { t.Helper(); check(query, No) }
	maybe := func(query string) { t.Helper(); check(query, Maybe) }

	yes("")
	yes("{}")
	yes(" { } // all of them")
	yes("{ true }")
	no("{ false }")

	// Strings, scopes and names.
	yes(`{ resource.service.name = "checkout" }`)
	yes("{ resource.service.name = `checkout` }")
	no(`{ span.service.name = "checkout" }`)
	yes(`{ .service.name = "checkout" }`)
	yes(`{ .env = "span-env" }`) // the span's own goes before the resource's
	no(`{ .env = "prod" }`)
	yes(`{ resource.env = "prod" }`)
	yes(`{ span."with space" = "x" }`)
	yes(`{ ."with space"="x" }`)
	yes(`{ span.http.status_code=503&&name="GET /cart" }`)
	yes(`{ name < "H" && name > "A" && name >= "GET /cart" && name <= "GET /cart" }`)

	// Regular expressions are anchored.
	yes(`{ resource.service.name =~ "check.*" }`)
	no(`{ resource.service.name =~ "check" }`)
	yes(`{ resource.service.name =~ "cart|checkout" }`)
	yes(`{ resource.service.name !~ "cart|pay" }`)
	no(`{ span.absent !~ "x" }`)
	yes(`{ name =~ "GET /\\w+" }`)

	// Numbers compare across integer, float and duration; types do not mix otherwise.
	yes(`{ span.http.status_code >= 500 && span.http.status_code < 600 }`)
	yes(`{ span.http.status_code > 502.5 }`)
	yes(`{ span.ratio < 1 && span.ratio = 0.5 && span.ratio > -1 && span.ratio < 6e-1 }`)
	no(`{ span.http.status_code = "503" }`)
	no(`{ span.http.status_code != "503" }`)
	no(`{ span.env = 5 }`)
	yes(`{ duration > 100ms && duration < 1.5s && duration != 0 }`)
	yes(`{ span.ratio = .5 && span.ratio > -.6 && duration > .1s }`)
	yes(`{ duration >= 150ms && duration <= 150ms && span:duration = 150ms }`)
	yes(`{ span.http.status_code > 500ns }`)

	// Booleans, keywords, nil.
	yes(`{ span.cached }`)
	no(`{ span.cold }`)
	no(`{ span.env }`)
	yes(`{ span.cold = false && span.cached != false }`)
	yes(`{ status = error && span:status != ok }`)
	yes(`{ kind = server }`)
	no(`{ kind != server }`)
	yes(`{ .absent = nil && .env != nil && span.map != nil }`)
	no(`{ .env = nil || .absent != nil }`)
	no(`{ .absent != "x" }`)
	yes(`{ statusMessage = "boom" && span:id = "00000000000000a1" }`)
	yes(`{ span:id = "a1" && span:id = "00A1" && span:id != "1a" }`) // Tempo leaves leading zeros out
	no(`{ span:id = "a" || span:id = "" || span:id = "000000000000000a1" }`)

	// Arrays: one element for what is asked, all for what is denied.
	yes(`{ span.tags = "red" && span.tags = 3 && span.tags =~ "bl.*" && span.tags > 2 }`)
	no(`{ span.tags = "green" }`)
	no(`{ span.tags != "red" }`)
	no(`{ span.none = "x" || span.none != "x" }`)

	// And before or; parentheses.
	yes(`{ true || true && false }`)
	no(`{ (true || true) && false }`)
	yes(`{ (((status = error))) && (kind = client || kind = server) }`)

	// What a part of a trace cannot know stays open only if it decides.
	maybe(`{ rootName = "x" }`)
	maybe(`{ rootServiceName = "x" && status = error }`)
	no(`{ rootServiceName = "x" && status = ok }`)
	yes(`{ traceDuration > 1s || status = error }`)
	maybe(`{ trace:duration > 1s || status = ok }`)
}

func TestNeedsRoot(t *testing.T) {
	for query, want := range map[string]bool{
		`{}`:                                     false,
		`{ false }`:                              true,
		`{ rootName = "x" }`:                     true,
		`{ rootName = nil }`:                     false,
		`{ rootName != nil }`:                    true,
		`{ name = "x" && rootServiceName = "y"}`: true,
		`{ name = "x" || rootServiceName = "y"}`: false,
		`{ rootName = "x" || trace:rootService = "y"}`: true,
		`{ traceDuration > 1s }`:                       false,
	} {
		q, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.NeedsRoot(); got != want {
			t.Errorf("%s: NeedsRoot %t, want %t", query, got, want)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	q, err := Parse(`{ resource.service.name = "checkout" && span.http.status_code >= 500 && duration > 100ms }`)
	if err != nil {
		b.Fatal(err)
	}
	s := &fixed{{Kind: KindString, Str: []byte("checkout")}, {Kind: KindInt, Int: 503}, {Kind: KindDuration, Int: 15e7}}
	b.ReportAllocs()
	for b.Loop() {
		if q.Match(s) != Yes {
			b.Fatal("no match")
		}
	}
}

// fixed is a source that costs nothing.
type fixed []Value

func (f *fixed) Value(i int) Value { return (*f)[i] }
