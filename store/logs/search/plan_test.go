package search

import (
	"testing"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/store/logs/logql"
)

func TestPlan(t *testing.T) {
	fields := false
	f := func(query, filter, rest string) {
		t.Helper()
		e, err := logql.ParseLog(query)
		if err != nil {
			t.Fatal(err)
		}
		p := newPlan(e, fields)
		got := ""
		for _, s := range p.rest.Stages {
			got += s.String() + " "
		}
		if p.filter != filter || got != rest {
			t.Errorf("%s\n asks %s\nwants %s\nleft %q\nwant %q", query, p.filter, filter, got, rest)
		}
	}
	const hide = ` !"_sluice_marker":*`
	f(`{a="b", c=~"d|e"}`, `{"a"="b","c"=~"d|e"}`+hide, "")
	f(`{a="b", c=~"d\\b"}`, `{"a"="b"}`+hide, `| c=~"d\\b" `)
	f(`{a="b"} |= "c\"d" or "e" != "f"`, `{"a"="b"}`+hide+` ("_msg":*"c\"d"* or "_msg":*"e"*) !("_msg":*"f"*)`, "")
	f(`{a="b"} |~ "c|d" !~ "e+"`, `{"a"="b"}`+hide+` ("_msg":~"c|d") !("_msg":~"e+")`, "")
	f(`{a="b"} |~ "c.d" !~ "e.f" |~ "^g"`, `{"a"="b"}`+hide+` ("_msg":~"c.d")`, `|~ "c.d" !~ "e.f" |~ "^g" `)
	f(`{a="b"} | trace_id="c" | detected_level=~"e.*"`, `{"a"="b"}`+hide+` "trace_id":="c" "detected_level":~"^(?s:e.*)$"`, "")
	f(`{a="b"} | c!="d"`, `{"a"="b"}`+hide+` (!"c":="d" or "_sluice_rest":*)`, `| c!="d" `)
	f(`{a="b"} | trace_id="c" and x > 5`, `{"a"="b"}`+hide+` "trace_id":="c"`, `| (trace_id="c" and x > 5) `)
	f(`{a="b"} | trace_id="c" or x > 5`, `{"a"="b"}`+hide, `| (trace_id="c" or x > 5) `)
	f(`{a="b"} | trace_id="c" or span_id!="d"`, `{"a"="b"}`+hide+` ("trace_id":="c" or !"span_id":="d")`, "")
	f(`{a="b"} | json | trace_id="c" |= "d"`, `{"a"="b"}`+hide+` ("_msg":*"d"*)`, `| json | trace_id="c" `)
	f(`{a="b"} | _time="c" | __error__=""`, `{"a"="b"}`+hide, `| _time="c" | __error__="" `)
	fields = true
	f(`{a="b"} | c!="d" | _time="c"`, `{"a"="b"}`+hide+` !"c":="d"`, `| _time="c" `)
}

// FuzzPlan: whatever can be asked becomes a query that the library reads, with nothing in it that the asker wrote
// taken for anything but text.
func FuzzPlan(f *testing.F) {
	f.Add(`{a="b\"} or {", c=~"\\b|d"} |= "*\" or *" |~ "a.*" | x="y\x00" or z!~"[" | json`)
	f.Add("{a=`\xff`} !~ `)` | _stream=\"x\"")
	f.Fuzz(func(t *testing.T, query string) {
		e, err := logql.ParseLog(query)
		if err != nil {
			return
		}
		p := newPlan(e, len(query)%2 == 0)
		q, err := logstorage.ParseQuery(p.filter)
		if err != nil {
			t.Fatalf("%q became %s: %v", query, p.filter, err)
		}
		again, err := logstorage.ParseQuery(q.String())
		if err != nil || again.String() != q.String() {
			t.Fatalf("%q became %s, which the library writes as %s and reads as %v", query, p.filter, q, again)
		}
	})
}
