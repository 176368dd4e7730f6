package logql

import (
	"encoding/json"
	"strings"
	"testing"
)

// run sends one line through the stages and returns the labels that came out, "-" for a line that was filtered out.
func run(t *testing.T, stages, line string) string {
	t.Helper()
	e, err := ParseLog(`{app="x"} ` + stages)
	if err != nil {
		t.Fatal(err)
	}
	var r Row
	r.Reset(line, []Label{{"app", "x"}, {"job", "y"}})
	r.AddMeta("level", "info")
	r.AddMeta("took", "1500ms")
	r.AddMeta("size", "2KiB")
	r.AddMeta("status", "404")
	if !e.Process(&r) {
		return "-"
	}
	var out []string
	for _, l := range r.AppendLabels(nil) {
		if l.Name == ErrorDetailsLabel {
			continue // prose
		}
		out = append(out, l.Name+"="+l.Value)
	}
	return strings.Join(out, " ")
}

func TestProcess(t *testing.T) {
	const all = "app=x job=y level=info size=2KiB status=404 took=1500ms"
	f := func(stages, line, want string) {
		t.Helper()
		if got := run(t, stages, line); got != want {
			t.Errorf("%s over %s\n got %s\nwant %s", stages, line, got, want)
		}
	}
	// line filters
	f(`|= "b"`, "abc", all)
	f(`|= "B"`, "abc", "-")
	f(`|= "z" or "b"`, "abc", all)
	f(`!= "z" or "b"`, "abc", "-")
	f(`!= "z" or "y"`, "abc", all)
	f(`|~ "^a.c$"`, "abc", all)
	f(`|~ "a.c"`, "a\nc", "-")
	f(`!~ "z|b"`, "abc", "-")
	f(`!= ""`, "abc", "-")

	// label filters
	f(`| level="info" | app="x" | job=~"y|z"`, "", all)
	f(`| level=~"inf"`, "", "-")
	f(`| missing=""`, "", all)
	f(`| missing!="a"`, "", all)
	f(`| status >= 400 and status < 500`, "", all)
	f(`| status == 404.0`, "", all)
	f(`| status > 404`, "", "-")
	f(`| missing != 1`, "", "-")
	f(`| level="x" or status != 1`, "", all)
	f(`| took > 1s`, "", all)
	f(`| took > 2s`, "", "-")
	f(`| size == 2048B`, "", all)
	f(`| size > 2KB`, "", all)
	f(`| status < 1KB`, "", all)
	for _, v := range []string{"1e3", "-5.5", "5 parsecs", "NaN", "0x10"} { // no sizes to Loki
		f(`| json | size_extracted > 1KB`, `{"size":"`+v+`"}`, "__error__=LabelFilterErr app=x job=y level=info size=2KiB size_extracted="+v+" status=404 took=1500ms")
	}
	f(`| json | size_extracted == 1234B`, `{"size":"1,234.7"}`, "app=x job=y level=info size=2KiB size_extracted=1,234.7 status=404 took=1500ms")
	f(`| level > 5`, "", "__error__=LabelFilterErr "+all)
	f(`| level > 5 | status == 1`, "", "-")
	f(`| level > 5 | level > 6 | status == 404`, "", "__error__=LabelFilterErr "+all)
	f(`| json | nothing >= 1`, `plain`, "-")
	f(`| json | status == 404`, `plain`, "__error__=JSONParserErr "+all)
	f(`| json | level > 5`, `plain`, "__error__=JSONParserErr "+all)
	f(`| level > 5 | __error__=""`, "", "-")
	f(`| level > 5 | drop __error__, __error_details__`, "", all)

	// json
	f(`| json`, `{"a":"b","n":1.50,"t":true,"o":{"p":{"q r":"s"}},"arr":[1,{"x":2}],"null":null,"e":""}`,
		"a=b "+"app=x job=y level=info n=1.50 o_p_q_r=s size=2KiB status=404 t=true took=1500ms")
	f(`| json`, `{"app":"z","level":"warn","0":"1","ü.é":"q"}`,
		"_0=1 ___=q app=x app_extracted=z job=y level=info level_extracted=warn size=2KiB status=404 took=1500ms")
	f(`| json`, `{" a b ":"1"," o":{"p ":"2"}}`, "a_b=1 app=x job=y level=info o_p=2 size=2KiB status=404 took=1500ms")
	f(`| json | app_extracted="z" and level_extracted="warn"`, `{"app":"z","level":"warn"}`,
		"app=x app_extracted=z job=y level=info level_extracted=warn size=2KiB status=404 took=1500ms")
	f(`| json`, `{"a":"1","a":"2","b":"\"\n\u00e9\ud83d\ude00\ud83d"}`, "a=1 app=x b=\"\né😀\uFFFD job=y level=info size=2KiB status=404 took=1500ms")
	f(`| json`, `plain`, "__error__=JSONParserErr "+all)
	f(`| json`, ``, "__error__=JSONParserErr "+all)
	f(`| json`, `["a"]`, "__error__=JSONParserErr "+all)
	f(`| json`, `{"a":"b"`, "__error__=JSONParserErr a=b "+all)
	f(`| json`, `{"a":`+strings.Repeat(`{"b":`, 100), "__error__=JSONParserErr "+all)
	f(`| json | __error__!="JSONParserErr"`, `plain`, "-")
	f(`| json x="o.p[1].q", y="o[\"z\"]", n="null", no="o.none"`, `{"o":{"p":[1,{"q":"r"}],"z":{"k":[1, 2]}},"null":null}`,
		all+" x=r y={\"k\":[1, 2]}")
	f(`| json x="a", y="b"`, `{"a":1`, all+" x=1")
	f(`| json x="b", y="a"`, `{"a":1,"b":"cut of`, "__error__=JSONParserErr "+all+" y=1")
	f(`| json x="b.c[1]"`, `{"b":2,"a":[{"c":7}],"b":{"c":[0,"d"]},`, all+" x=d")
	f(`| json x="a"`, ``, all)
	f(`| json x="a"`, `"a"`, all)
	f(`| json x="[0]"`, `[4]`, all+" x=4")
	f(`| json x="a"`, `a`, "__error__=JSONParserErr "+all)
	f(`| json x="a"`, ` {"a":1}`, "__error__=JSONParserErr "+all)
	f(`| json status | status_extracted == 500`, `{"status":500}`, "app=x job=y level=info size=2KiB status=404 status_extracted=500 took=1500ms")

	// logfmt
	f(`| logfmt`, `a=b c="d \"e\" f" bare g= h.i=3 "junk" j=k=l  m=n`,
		`a=b app=x c=d "e" f h_i=3 job=y level=info m=n size=2KiB status=404 took=1500ms`)
	f(`| logfmt`, `level=warn app=z x="unended`, "app=x app_extracted=z job=y level=info level_extracted=warn size=2KiB status=404 took=1500ms")
	f(`| logfmt z="h.i", q`, `a=b h.i=3 q=4`, "app=x job=y level=info q=4 size=2KiB status=404 took=1500ms z=3")
	f(`| logfmt`, ``, all)
	f(`| json | logfmt`, `{"a":"1"} b=2`, "a=1 app=x b=2 job=y level=info size=2KiB status=404 took=1500ms")

	// drop and keep
	f(`| drop app, level, none`, "", "job=y size=2KiB status=404 took=1500ms")
	f(`| drop app="z", level=~"inf."`, "", "app=x job=y size=2KiB status=404 took=1500ms")
	f(`| keep app, status="404", took="1s"`, "", "app=x status=404")
	f(`| drop app | app=""`, "", "job=y level=info size=2KiB status=404 took=1500ms")
	f(`| keep level | json`, "{", "__error__=JSONParserErr level=info")
}

// TestWant: a row that wants few labels gets these and nothing else, and still learns of errors.
func TestWant(t *testing.T) {
	e, _ := ParseLog(`{app="x"} | json`)
	r := Row{Want: map[string]bool{"b": true, "app_extracted": true}}
	r.Reset(`{"a":1,"b":2,"app":3`, []Label{{"app", "x"}})
	e.Process(&r)
	if len(r.Parsed) != 2 || r.Parsed[0] != (Label{"b", "2"}) || r.Parsed[1] != (Label{"app_extracted", "3"}) || r.Err() == "" {
		t.Errorf("got %v %q", r.Parsed, r.Err())
	}
}

func TestProcessAllocations(t *testing.T) {
	e, _ := ParseLog(`{app="x"} | json | logfmt | level="info" and status >= 400`)
	var r Row
	stream := []Label{{"app", "x"}}
	n := testing.AllocsPerRun(100, func() {
		r.Reset(`{"a":"b","o":{"status":404,"p":"q"},"app":"z"} level=info status=500`, stream)
		if !e.Process(&r) {
			t.Fatal("filtered out")
		}
	})
	if n > 0 {
		t.Errorf("%v allocations a row", n)
	}
}

func BenchmarkProcessJSON(b *testing.B) {
	e, _ := ParseLog(`{app="x"} | json | status >= 400`)
	var r Row
	stream := []Label{{"app", "x"}}
	line := `{"ts":"2026-11-23T10:00:00Z","level":"error","msg":"cannot do it","status":500,"req":{"method":"GET","path":"/api/v1/query"},"took":"15ms"}`
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(line, stream)
		e.Process(&r)
	}
}

// FuzzStages: no line makes a stage panic, and where encoding/json reads an object, so do we.
func FuzzStages(f *testing.F) {
	f.Add(`{"a":"b","o":{"p":[1,null,true,{"x":"\u00e9\ud83d\ude00"}]}}`)
	f.Add(`a=b c="d \"e\"" f= "g" h=i=j k="l`)
	f.Add(`{"a":{"b":{"c":[[[[`)
	f.Add(`{"\ud83d":"\`)
	whole, _ := ParseLog(`{app="x"} | json | logfmt | drop a | keep b, c | d > 5`)
	paths, _ := ParseLog(`{app="x"} | json x="a.b[0]", y="a" | logfmt z="a"`)
	f.Fuzz(func(t *testing.T, line string) {
		var r Row
		r.Reset(line, []Label{{"app", "x"}})
		whole.Process(&r)
		r.Reset(line, []Label{{"app", "x"}})
		paths.Process(&r)
		r.Reset(line, nil)
		parseJSON(&r)
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(line), &object) == nil && object != nil && r.Err() != "" && r.errDetails != errJSONDepth.Error() {
			t.Fatalf("%q is an object: %s", line, r.errDetails)
		}
	})
}
