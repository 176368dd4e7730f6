package jsontext

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestWalk(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                               " whole",
		` { } `:                            "",
		`{"a":1}`:                          "a=1 whole",
		`{"a":"b\"}","c":{"d":[1,"]"]}}`:   `a="b\"}" c={"d":[1,"]"]} whole`,
		"{\n\t\"a\" : null ,\r\"b\":true}": "a=null b=true whole",
		`{"a":1}x`:                         "a=1",
		`{"a":1,}`:                         "a=1",
		`{"a":1 "b":2}`:                    "a=1",
		`{"a":}`:                           "",
		`{"a"`:                             "",
		`{"a":[1}`:                         "a=[1}", // brackets are counted, not matched
		`{"a":{"b":1}`:                     `a={"b":1}`,
		`{,"a":1}`:                         "",
		`[1]`:                              "",
		``:                                 "",
	} {
		o := Walk([]byte(text))
		var got []string
		for o.Next() {
			got = append(got, fmt.Sprintf("%s=%s", o.Key, o.Value))
			if s, ok := o.Text(); ok != (o.Value[0] == '"') || ok && len(s) != len(o.Value)-2 {
				t.Errorf("%s: text %q %t of %s", text, s, ok, o.Value)
			}
		}
		if o.Whole() {
			got = append(got, "whole")
		}
		if want = strings.TrimPrefix(want, " "); strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", text, strings.Join(got, " "), want)
		}
	}
}

// FuzzUnescape: texts of strings are encoding/json's, where that takes them.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{`a\n`, `\ud83d\ude00\ud83d`, `\u00e9\/\\\"`, `\x`, `\u12`, `\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := AppendUnescaped(nil, []byte(s), max(0, strings.IndexByte(s+`\`, '\\')))
		var want string
		if json.Unmarshal([]byte(`"`+s+`"`), &want) != nil || strings.ToValidUTF8(s, "") != s {
			return
		}
		if !ok || string(got) != want {
			t.Fatalf("%q: %q %t, want %q", s, got, ok, want)
		}
	})
}
