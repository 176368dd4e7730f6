package oracle

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/sluiceio/sluice/wire"
)

// redactions are configurations of one key each, which TestRedaction also puts together.
var redactions = []map[string]any{
	{"allow_all_keys": true},
	{"allowed_keys": []any{"str", "int", "map", "k1", "secret.key", "msg", "redaction.allowed.keys"}},
	{"ignored_keys": []any{"secret.key", "k1", "msg", "int"}},
	{"ignored_key_patterns": []any{"^s", "k[0-9]"}},
	{"blocked_key_patterns": []any{"^secret", "map", "^k2$", "n", "empty|bytes"}},
	{"blocked_values": []any{"token=[a-z]+", "[0-9]+", "hidden"}},
	{"blocked_values": []any{"x*"}},
	{"blocked_values": []any{"^GET", "(?i)shop|CART", `\*+`, "ö", "."}},
	{"blocked_values": []any{`"[a-z]+"`, "password=[^ ]+", "true"}},
	{"allowed_values": []any{"^GET", "shop-", "2$", "v1", "one"}},
	{"allowed_values": []any{"^$"}},
	{"redact_all_types": true},
	{"hash_function": "md5"},
	{"hash_function": "SHA1"},
	{"hash_function": "sha3"},
	{"hash_function": "hmac-sha256", "hmac_key": "0123456789012345678901234567890123456789"},
	{"hash_function": "hmac-sha512", "hmac_key": "0123456789012345678901234567890123456789012345678901234567890123456789"},
	{"summary": "debug"},
	{"summary": "info"},
	{"summary": "silent"},
}

// TestRedaction: each key alone, where all or some keys are allowed, and many put together at random.
func TestRedaction(t *testing.T) {
	for s, kind := range signals {
		in := kind.make(t)
		run := func(name string, configs ...map[string]any) {
			all := map[string]any{}
			for _, c := range configs {
				for k, v := range c {
					all[k] = v
				}
			}
			t.Run(fmt.Sprint(s, "/", name), func(t *testing.T) {
				if !same(t, "redaction", all, in) {
					t.Error("both refuse it")
				}
			})
		}
		for i, c := range redactions {
			run(fmt.Sprint("alone ", i), c)
			run(fmt.Sprint("all allowed ", i), redactions[0], c)
			run(fmt.Sprint("debug ", i), redactions[0], redactions[5], map[string]any{"summary": "debug"}, c)
		}
		r := rand.New(rand.NewPCG(1, uint64(s)))
		for i := range 300 {
			var configs []map[string]any
			for range 2 + r.IntN(6) {
				configs = append(configs, redactions[r.IntN(len(redactions))])
			}
			run(fmt.Sprint("together ", i), configs...)
		}
	}
}

// TestRedactionTwice: the second adds to the summary of the first.
func TestRedactionTwice(t *testing.T) {
	config := map[string]any{"allow_all_keys": true, "blocked_values": []any{"[a-z]"}, "summary": "debug"}
	for s, kind := range signals {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			in := kind.make(t)
			var err error
			if in.body, err = through(t, "redaction", config, in); err != nil {
				t.Fatal(err)
			}
			if !same(t, "redaction", map[string]any{"allow_all_keys": true, "ignored_key_patterns": []any{"^redaction"}, "blocked_values": []any{"[0-9]"}, "summary": "debug"}, in) {
				t.Error("both refuse it")
			}
			same(t, "redaction", map[string]any{"allowed_keys": []any{"str"}, "summary": "info"}, in)
		})
	}
}

// TestRedactionOfOddLogs: bodies of maps and lists in each other, without a body, and keys that occur twice.
func TestRedactionOfOddLogs(t *testing.T) {
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for i := range 6 {
		body := records.AppendEmpty().Body()
		switch i {
		case 0:
			attributes(body.SetEmptyMap(), i)
			body.Map().PutStr("", "9")
			body.Map().PutEmptySlice("lists").AppendEmpty().SetEmptySlice().AppendEmpty().SetStr("12")
			attributes(body.Map().PutEmptyMap("").PutEmptyMap(""), i+1)
		case 1:
			attributes(body.SetEmptySlice().AppendEmpty().SetEmptyMap(), i)
			body.Slice().AppendEmpty().SetEmptySlice().AppendEmpty().SetStr("token=abc 12")
			attributes(body.Slice().AppendEmpty().SetEmptyMap().PutEmptySlice("in").AppendEmpty().SetEmptyMap(), i)
		case 2:
			body.SetEmptyBytes().FromRaw([]byte{1, 2, 3})
		case 3:
			body.SetStr("shop\n12\n\nGET")
		case 4:
			body.SetEmptyMap()
		}
	}
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	odd, twice := checked(t, wire.Logs, b, err, records.Len()), repeated(t)
	for i, c := range redactions {
		for k, d := range redactions {
			for _, in := range []telemetry{odd, twice} {
				config := map[string]any{"allow_all_keys": i%2 == 0, "blocked_values": []any{"[1-4]"}, "summary": "debug"}
				for _, m := range []map[string]any{c, d} {
					for key, v := range m {
						config[key] = v
					}
				}
				t.Run(fmt.Sprint(i, k), func(t *testing.T) {
					if !same(t, "redaction", config, in) {
						t.Error("both refuse it")
					}
				})
			}
		}
	}
}

func TestRedactionRefuses(t *testing.T) {
	in := logs(t)
	for _, c := range []map[string]any{{"blocked_values": []any{"("}}, {"hash_function": "sha2"}, {"hash_function": "hmac-sha256", "hmac_key": "short"}} {
		if same(t, "redaction", c, in) {
			t.Errorf("%v is taken", c)
		}
	}
}

// TestURLSanitizer: URLs in attributes and in names of spans. In log bodies ours changes nothing.
func TestURLSanitizer(t *testing.T) {
	words := []string{"api", "users", "v1", "123", "fdklsd", "j4elk", "a1", "x", "", "GET ", "products", "e4d909c2", "user-space", "index.php", "ö", "aö", "été", "1", "*", "?q=1", "#top", "&", "%20", "http:", "shop.example.com", "trabajo", "qwrtpsd"}
	r := rand.New(rand.NewPCG(7, 8))
	url := func() string {
		text := ""
		for range 1 + r.IntN(13) {
			text += words[r.IntN(len(words))] + []string{"/", "/", "/", ""}[r.IntN(4)]
		}
		return text
	}
	keys := []string{"url.full", "http.url", "http.route", "other", "http.request.method"}
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for i := range 3000 {
		s := spans.AppendEmpty()
		s.SetName(url())
		s.SetKind(ptrace.SpanKind(i % 6))
		l := records.AppendEmpty()
		for range r.IntN(3) {
			k, v := keys[r.IntN(len(keys))], url()
			s.Attributes().PutStr(k, v)
			l.Attributes().PutStr(k, v)
			s.Events().AppendEmpty().Attributes().PutStr(k, v)
		}
		s.Attributes().PutInt("http.target", 12)
	}
	tb, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	traces := checked(t, wire.Traces, tb, err, spans.Len())
	lb, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	logs := checked(t, wire.Logs, lb, err, records.Len())
	for i, c := range []map[string]any{
		{"enabled": true, "attributes": []any{"url.full", "http.url", "http.target"}},
		{"enabled": true, "attributes": []any{"http.route"}, "sanitize_span_name": false},
		{"enabled": true},
		{"enabled": false, "attributes": []any{"url.full"}},
	} {
		for k, d := range append(redactions, map[string]any{}) {
			config := map[string]any{"allow_all_keys": true, "url_sanitizer": c, "summary": "debug"}
			for key, v := range d {
				config[key] = v
			}
			t.Run(fmt.Sprint(i, " ", k), func(t *testing.T) {
				same(t, "redaction", config, traces)
				if _, masks := d["blocked_values"]; !masks { // also an empty body, which contrib then cleans as a URL
					same(t, "redaction", config, logs)
				}
			})
		}
	}
}
