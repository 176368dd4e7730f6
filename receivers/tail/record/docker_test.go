package record

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// dockerLine is one line of dockerd's json-file driver.
const dockerLine = `{"log":"one\n","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}`

func parsedDocker(line string) (headed, bool) {
	var l headed
	d := docker{clock: &clock{}}
	ok := parseDocker([]byte(line), &d, &l)
	return l, ok
}

func TestParseDocker(t *testing.T) {
	at, err := time.Parse(time.RFC3339Nano, "2016-10-06T00:17:09.669794202Z")
	if err != nil {
		t.Fatal(err)
	}
	const end = `,"stream":"stderr","time":"2016-10-06T00:17:09.669794202Z"}`
	for line, want := range map[string]struct {
		body    string
		partial bool
	}{
		`{"log":"one\n"` + end: {"one", false},
		`{"log":"one"` + end:   {"one", true},
		`{"log":""` + end:      {"", true},
		`{"log":"\n"` + end:    {"", false},
		`{"log":"a\n\n"` + end: {"a\n", false},
		`{"log":"\\n"` + end:   {`\n`, true},
		`{"log":"\"q\" \\ \/ \t\r\b\f\u003c\u00e9\n"` + end:                       {"\"q\" \\ / \t\r\b\f<é", false},
		`{"log":"\ud83d\ude00 \ud83d \ude00 \ud83dx\n"` + end:                     {"😀 \uFFFD \uFFFD \uFFFDx", false},
		`{"log":"\ud83d\ud83d\ude00\n"` + end:                                     {"\uFFFD😀", false},
		`{"log":"{\"a\":\"b\"}\n"` + end:                                          {`{"a":"b"}`, false},
		`{"log":"a\n","attrs":{"tag":"x","n":[1,{}]}` + end:                       {"a", false},
		`{ "log" : "a\n" , "x" : null, "y":1` + end:                               {"a", false},
		`{"time":"2016-10-06T00:17:09.669794202Z","stream":"stderr","log":"a\n"}`: {"a", false},
	} {
		got, ok := parsedDocker(line)
		if !ok || string(got.body) != want.body || got.partial != want.partial || got.stream != stderr || got.time != uint64(at.UnixNano()) {
			t.Errorf("%s: %q partial %t stream %d time %d, %t", line, got.body, got.partial, got.stream, got.time, ok)
		}
	}
	for _, line := range []string{
		"", "{}", "[]", "text", `{"log":"a\n"}`, `{"log":"a\n","stream":"stdout"}`, `{"log":"a\n","stream":"stdin","time":"2016-10-06T00:17:09Z"}`,
		`{"log":"a\n","stream":"stdout","time":"yesterday"}`, `{"log":1,"stream":"stdout","time":"2016-10-06T00:17:09Z"}`, dockerLine + "x", dockerLine[:len(dockerLine)-1],
		`{"log":"\x","stream":"stdout","time":"2016-10-06T00:17:09Z"}`, `{"log":"\u12","stream":"stdout","time":"2016-10-06T00:17:09Z"}`,
		`{"log":"a\n","stream":"stdout","time":"2016-10-06T00:17:09Z","x":{}`, strings.Repeat(`{"log":`, 10000), `{"log":"a`, `{"log":"a\"`, `{"log":"\`,
	} {
		if got, ok := parsedDocker(line); ok {
			t.Errorf("%s is taken: %+v", line, got)
		}
	}
}

// dockerOracle is what encoding/json says of a line.
func dockerOracle(line []byte) (log, stream, at string, ok bool) {
	var all map[string]json.RawMessage
	if json.Unmarshal(line, &all) != nil {
		return "", "", "", false
	}
	for key, to := range map[string]*string{"log": &log, "stream": &stream, "time": &at} {
		raw := all[key]
		if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, to) != nil {
			return "", "", "", false
		}
	}
	return log, stream, at, true
}

var replacements = regexp.MustCompile("\uFFFD+")

// FuzzParseDocker holds the parser to encoding/json: each line that this accepts, ours does too, with equal values. Ours also
// takes lines whose other members are no JSON, or whose strings have control characters.
func FuzzParseDocker(f *testing.F) {
	for _, line := range []string{
		dockerLine, `{"log":"","stream":"stderr","time":"2016-10-06T00:17:09Z"}`, `{"time":"2016-10-06T00:17:09+02:00","log":"\ud83d\ude00\udead\"\\","stream":"stdout"}`,
		`{"log":"a\n","stream":"stdout","attrs":{"a":[{"b":"}"}]},"time":"2016-10-06T00:17:09Z"}`, "{\"log\":\"\xff\xfe\\u00ff\\n\",\"stream\":\"stdout\",\"time\":\"2016-10-06T00:17:09.1Z\"}",
		`{"log":"a","log":"b","stream":"stdout","time":"2016-10-06T00:17:09Z"} `, `{"l\u006fg":"a","stream":"stdout","time":"2016-10-06T00:17:09Z"}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var got headed
		ok := parseDocker(line, &docker{clock: &clock{}}, &got)
		if bytes.Contains(line, []byte(`\u`)) && bytes.Count(line, []byte(`"`)) > 0 && !bytes.Contains(line, []byte(`"log"`)) {
			return // an escaped key, which nobody writes
		}
		log, stream, at, wanted := dockerOracle(line)
		ns, n, isTime := (&clock{}).parse([]byte(at))
		wanted = wanted && isTime && n == len(at) && (stream == "stdout" || stream == "stderr")
		if !wanted {
			if ok && json.Valid(line) && !bytes.ContainsRune(line, '\\') && utf8.Valid(line) {
				t.Fatalf("%q is taken as %+v", line, got)
			}
			return
		}
		if hasEscapedKeyOrName(line) {
			return
		}
		if !ok {
			t.Fatalf("%q is not taken", line)
		}
		whole := strings.HasSuffix(log, "\n")
		body, want := string(got.body), strings.TrimSuffix(log, "\n")
		if !utf8.Valid(line) { // ours replaces invalid bytes later, each run by one
			body = strings.ToValidUTF8(body, "\uFFFD")
			body, want = replacements.ReplaceAllString(body, "\uFFFD"), replacements.ReplaceAllString(want, "\uFFFD")
		}
		if body != want || got.partial == whole || got.time != ns || (got.stream == stderr) != (stream == "stderr") {
			t.Fatalf("%q: %+v %q, want %q %s %d", line, got, body, want, stream, ns)
		}
	})
}

// hasEscapedKeyOrName: escapes in keys, times and names of streams are not undone.
func hasEscapedKeyOrName(line []byte) bool {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if s, ok := token.(string); ok {
			switch _, err := time.Parse(time.RFC3339Nano, s); {
			case s == "log" || s == "stream" || s == "time" || s == "stdout" || s == "stderr" || err == nil:
				from, to := bytes.LastIndexByte(line[:d.InputOffset()-1], '"'), d.InputOffset()
				if bytes.IndexByte(line[max(0, from):to], '\\') >= 0 {
					return true
				}
			}
		}
	}
}
