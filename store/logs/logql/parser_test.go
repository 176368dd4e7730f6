package logql

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// good are queries and what String makes of them; "" is the query itself.
var good = [][2]string{
	{`{app="x"}`, ""},
	{`{ app = "x" , ns=~"a|b", c!="", d!~` + "`e.+`" + `, }`, `{app="x", ns=~"a|b", c!="", d!~"e.+"}`},
	{`{app="x"} |= "err" != "debug" |~ "a.+b" !~ "[0-9]"`, ""},
	{`{app="x"} |= "a" or "b" or "c"`, ""},
	{"{app=\"x\"} |= `a\"b\\`", `{app="x"} |= "a\"b\\"`},
	{`{app="x"} | json | logfmt`, ""},
	{`{app="x"} | json a, b="c.d[0]", e="f[\"g h\"]" | a="1"`, `{app="x"} | json a="a", b="c.d[0]", e="f[\"g h\"]" | a="1"`},
	{`{app="x"} | logfmt a="b"`, ""},
	{`{app="x"} | level="error"`, ""},
	{`{app="x"} | json != "1" | logfmt |~ "2"`, ``},
	{`{app="x"} | a>=400 and b=~"c" or d<5.5`, `{app="x"} | ((a >= 400 and b=~"c") or d < 5.5)`},
	{`{app="x"} | a=1, b==2 or (c!=3, d>-4)`, `{app="x"} | (a == 1 and (b == 2 or (c != 3 and d > -4)))`},
	{`{app="x"} | a=1, b=2 and c=3 or d=4`, `{app="x"} | (a == 1 and ((b == 2 and c == 3) or d == 4))`},
	{`{app="x"} | a=1 or b=2, c=3 or d=4`, `{app="x"} | (a == 1 or (b == 2 and (c == 3 or d == 4)))`},
	{`{app="x"} | a="b" c="d" (e="f" or g="h") | or="i"`, `{app="x"} | (a="b" and (c="d" and (e="f" or g="h"))) | or="i"`},
	{`{app="x"} | took > 1h30m | size <= 20MB | size > 1KiB`, `{app="x"} | took > 5400s | size <= 20000000B | size > 1024B`},
	{`{app="x"} | drop a, b="c", __error__ | keep d, e=~"f"`, ""},
	{`count_over_time({app="x"}[5m])`, `count_over_time({app="x"} [5m0s])`},
	{`rate({app="x"} |= "y" | json [1d])`, `rate({app="x"} |= "y" | json [24h0m0s])`},
	{`bytes_over_time({app="x"}[5m] |= "y")`, `bytes_over_time({app="x"} |= "y" [5m0s])`},
	{`bytes_rate(({app="x"} |= "y")[90s] offset 1h)`, `bytes_rate({app="x"} |= "y" [1m30s] offset 1h0m0s)`},
	{`count_over_time({app="x"}[5m] offset -1m)`, `count_over_time({app="x"} [5m0s] offset -1m0s)`},
	{`sum(rate({app="x"}[1m]))`, `sum(rate({app="x"} [1m0s]))`},
	{`sum by (b, a) (rate({app="x"}[1m]))`, `sum by (a, b) (rate({app="x"} [1m0s]))`},
	{`sum(rate({app="x"}[1m])) by (a)`, `sum by (a) (rate({app="x"} [1m0s]))`},
	{`max without () (rate({app="x"}[1m]))`, `max without () (rate({app="x"} [1m0s]))`},
	{`topk by (ns) (3, sum by (ns, app) (rate({app="x"}[1m])))`, `topk by (ns) (3, sum by (app, ns) (rate({app="x"} [1m0s])))`},
	{`vector(1)+vector(1)`, `(vector(1) + vector(1))`},
	{`1 + 2 * 3 ^ 2 ^ 2 - 4`, `((1 + (2 * (3 ^ (2 ^ 2)))) - 4)`},
	{`-1.5e3 * vector(-2)`, `(-1500 * vector(-2))`},
	{`rate({a="b"}[1m]) > bool 5`, `(rate({a="b"} [1m0s]) > bool 5)`},
	{`sum(rate({a="b"}[1m])) or vector(0) and vector(1)`, `(sum(rate({a="b"} [1m0s])) or (vector(0) and vector(1)))`},
	{"{a=\"b\"} # the app\n|= \"c\" # end", `{a="b"} |= "c"`},
}

func TestParse(t *testing.T) {
	for _, c := range good {
		e, err := Parse(c[0])
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
			continue
		}
		want := c[1]
		if want == "" {
			want = c[0]
		}
		if e.String() != want {
			t.Errorf("%s\n got %s\nwant %s", c[0], e, want)
		}
		again, err := Parse(e.String())
		if err != nil || !reflect.DeepEqual(e, again) {
			t.Errorf("%s does not come back from %s: %v", c[0], e, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for query, want := range map[string]string{
		``:                                      "parse error at line 1, col 1: syntax error: unexpected end, expecting a query",
		`{}`:                                    "parse error at line 1, col 1: queries require at least one",
		`{a=~".*"}`:                             "parse error at line 1, col 1: queries require at least one",
		`{a!="b"}`:                              "queries require at least one",
		`{a="b"`:                                "line 1, col 7: syntax error: unexpected end, expecting ,",
		`{a='b'}`:                               "line 1, col 4: syntax error: a string is written in double quotes",
		`{a=~"("}`:                              "line 1, col 5: error parsing regexp",
		`{a="b"} |~ "("`:                        "line 1, col 12: error parsing regexp",
		"{a=\"b\"}\n  |= 5":                     "line 2, col 6: syntax error: unexpected 5, expecting a string",
		`{a="b"} | x`:                           "expecting a comparison after the label x",
		`{a="b"} | x > "5"`:                     "compares numbers, durations and sizes, not strings",
		`{a="b"} | x > 5zz`:                     "cannot read 5zz",
		`{a="b"} | json x="a..b"`:               "cannot read \"a..b\" as the path",
		`count_over_time({a="b"})`:              "expecting a range such as [5m]",
		`count_over_time({a="b"}[0s])`:          "a range must be longer than 0",
		`count_over_time({a="b"}[101y])`:        "longer than 100 years",
		`count_over_time({a="b"}[5])`:           "cannot read 5 as a duration",
		`sum({a="b"})`:                          "wrap the selection in count_over_time",
		`sum(5)`:                                "takes a vector",
		`topk(0, rate({a="b"}[1m]))`:            "at least 1",
		`topk(rate({a="b"}[1m]))`:               "expecting how many series to keep",
		`rate({a="b"}[1m]) by (x)`:              "rate takes no grouping",
		`{a="b"} + 1`:                           "+ joins metric queries",
		`1 + {a="b"}`:                           "+ joins metric queries",
		`1 or vector(1)`:                        "or joins vectors",
		`{a=~"["}`:                              "missing closing ]: `[" + "`",
		`foo({a="b"}[1m])`:                      "foo is not a function",
		`{a="b"} {c="d"}`:                       "expecting the end of the query",
		`{a="b"} |= "` + "x":                    "this string does not end",
		strings.Repeat("(", 300):                "nested more than",
		`{a="b"} | ` + strings.Repeat("(", 300): "nested more than",
		`1` + strings.Repeat("+1", 1001):        "line 1, col 2002: the query has more than 1000",
		`{a="b"} | i="0"` + strings.Repeat(` or i="1"`, 1000): "the query has more than 1000",
		`{a="b"} |= "0"` + strings.Repeat(` or "1"`, 1000):    "the query has more than 1000",
		`{a="b"}` + strings.Repeat(` | json`, 1001):           "the query has more than 1000",
		`{a="b"` + strings.Repeat(`, a="b"`, 1001):            "the query has more than 1000",
		"{a=\"b\"} |= \"\uFFFD\xff\"":                         "line 1, col 16: syntax error: a query is UTF-8",
		strings.Repeat(" ", MaxQuery+1):                       "bytes, more than",
	} {
		_, err := Parse(query)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s\n got %v\nwant %s", query, err, want)
		}
	}
}

// TestUnsupported: what LogQL has and we have not is named with its place.
func TestUnsupported(t *testing.T) {
	for query, want := range map[string]string{
		`{a="b"} | line_format "{{.x}}"`:                        "line_format",
		`{a="b"} | label_format x=y`:                            "label_format",
		`{a="b"} | regexp "(?P<x>.)"`:                           "regexp",
		`{a="b"} | pattern "<x>"`:                               "pattern",
		`{a="b"} | unpack`:                                      "unpack",
		`{a="b"} | decolorize`:                                  "decolorize",
		`sum_over_time({a="b"} | unwrap x [5m])`:                "sum_over_time",
		`count_over_time({a="b"} | unwrap x [5m])`:              "unwrap",
		`quantile_over_time(0.9, {a="b"} | unwrap x [5m])`:      "quantile_over_time",
		`absent_over_time({a="b"}[5m])`:                         "absent_over_time",
		`label_replace(rate({a="b"}[1m]), "x", "$1", "y", "z")`: "label_replace",
		`stddev(rate({a="b"}[1m]))`:                             "stddev",
		`sort(rate({a="b"}[1m]))`:                               "sort",
		`rate({a="b"}[1m]) / on(x) rate({a="b"}[1m])`:           "on",
		`rate({a="b"}[1m]) / ignoring(x) rate({a="b"}[1m])`:     "ignoring",
		`rate({a="b"}[1m]) / group_left rate({a="b"}[1m])`:      "group_left",
		`rate({a="b"}[1m] @ 5)`:                                 "@",
		`{a="b"} |> "<_> x"`:                                    "|>",
		`{a="b"} !> "<_> x"`:                                    "!>",
		`{a="b"} |= ip("10.0.0.0/8")`:                           "ip",
		`{a="b"} | x = ip("10.0.0.0/8")`:                        "ip",
		`{a="b"} | logfmt --strict`:                             "--strict",
		`{a="b"} | logfmt --keep-empty`:                         "--keep-empty",
	} {
		_, err := Parse(query)
		var e *Error
		if !errors.As(err, &e) || e.Unsupported != want {
			t.Errorf("%s: %v does not name %s", query, err, want)
			continue
		}
		if at := strings.Index(query, want); e.Col != at+1 || !strings.Contains(err.Error(), `"`+want+`"`) {
			t.Errorf("%s: %v; it stands at col %d", query, err, at+1)
		}
	}
}

func TestParseSelector(t *testing.T) {
	s, err := ParseSelector(`{}`)
	if err != nil || len(s) != 0 {
		t.Errorf("empty braces: %v %v", s, err)
	}
	if s, err = ParseSelector(`{a="b", c!~"d"}`); err != nil || s.String() != `{a="b", c!~"d"}` {
		t.Errorf("got %v %v", s, err)
	}
	if _, err = ParseSelector(`{a="b"} |= "c"`); err == nil {
		t.Error("a selector with a stage was read")
	}
}

// FuzzParse: no query makes the parser panic, and what it reads comes back from its text.
func FuzzParse(f *testing.F) {
	for _, c := range good {
		f.Add(c[0])
	}
	f.Add(`{a="\xff"} | x > 1e309`)
	f.Add(`topk(1, vector(1)) without (a)`)
	f.Fuzz(func(t *testing.T, query string) {
		e, err := Parse(query)
		if err != nil {
			var pe *Error
			if !errors.As(err, &pe) || pe.Line < 1 || pe.Col < 1 {
				t.Fatalf("%q: %v says no place", query, err)
			}
			return
		}
		text := e.String()
		again, err := Parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "nested more than") {
				return // brackets that String adds
			}
			t.Fatalf("%q: %q: %v", query, text, err)
		}
		if again.String() != text {
			t.Fatalf("%q: %q became %q", query, text, again.String())
		}
	})
}
