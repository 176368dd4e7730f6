package redaction

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// TestCases runs testdata/*.txtar: config, in and want (OTLP/JSON of logs), or error (of the validation). The oracle has more.
func TestCases(t *testing.T) {
	pipelinetest.ConfigCases(t, Default, func(t *testing.T, c *Config, part map[string]string) {
		ld, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs([]byte(part["in"]))
		if err != nil {
			t.Fatal(err)
		}
		in, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		if err != nil {
			t.Fatal(err)
		}
		out, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(through(t, c, in))
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&plog.JSONMarshaler{}).MarshalLogs(out)
		if err != nil {
			t.Fatal(err)
		}
		if string(got)+"\n" != part["want"] {
			t.Errorf("got\n%s\nwant\n%s", got, part["want"])
		}
	})
}

func made(t testing.TB, c *Config, next pipeline.Sink) pipeline.Sink {
	t.Helper()
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "redaction")
	p, err := New(s, c, next)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func through(t testing.TB, c *Config, in wire.Request) wire.Request {
	t.Helper()
	sink := &pipelinetest.Recorder{}
	b := pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: wire.Count(pipeline.Logs, in)}
	if err := made(t, c, sink).Consume(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return sink.Batches()[0].Request
}

// record is a request of one log with a body, an attribute and fields that we do not know.
func record(body string) wire.Request {
	b, rl := wire.BeginMessage(nil, wire.FieldRequestResource)
	b, sl := wire.BeginMessage(b, wire.FieldResourceXScope)
	b, rec := wire.BeginMessage(b, wire.FieldScopeXItem)
	b = wire.AppendString(b, 90, "unknown")
	b = wire.AppendValue(b, wire.FieldLogBody, wire.StringValue(body))
	b, kv := wire.BeginMessage(b, wire.FieldLogAttributes)
	b = wire.AppendString(b, wire.FieldKeyValueKey, "k")
	b = wire.AppendString(b, 91, "in the attribute")
	b = wire.AppendValue(b, wire.FieldKeyValueValue, wire.StringValue(body))
	b = wire.EndMessage(b, kv)
	b = wire.EndMessage(b, rec)
	return wire.EndMessage(wire.EndMessage(b, sl), rl)
}

// TestWarnings: removing all is the default, and hardly what a list of patterns is written for; nor are patterns among the keys.
func TestWarnings(t *testing.T) {
	for keys, want := range map[string]int{"blocked_key_patterns: [password]": 1, "allow_all_keys: true": 0, "allowed_keys: [a.b]": 0} {
		w := pipelinetest.Decode(t, Default(), keys).Warnings()
		if len(w) != want || want == 1 && !strings.HasPrefix(w[0], "allow_all_keys: ") {
			t.Errorf("%s: %v", keys, w)
		}
	}
	w := pipelinetest.Decode(t, Default(), `{allowed_keys: [a, 'service\..*'], ignored_keys: [k8s.*]}`).Warnings()
	if len(w) != 2 || !strings.HasPrefix(w[0], `allowed_keys::1: "service\\..*"`) || !strings.HasPrefix(w[1], "ignored_keys::0: ") {
		t.Errorf("patterns: %q", w)
	}
}

// TestUnknownFieldsStay: only the value changes.
func TestUnknownFieldsStay(t *testing.T) {
	c := Default()
	c.AllowAllKeys, c.BlockedValues = true, []string{"secret"}
	if got, want := through(t, c, record("a secret b")), record("a **** b"); !bytes.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if in := record("nothing to hide"); !bytes.Equal(through(t, c, in), in) {
		t.Error("a request without secrets changed")
	}
}

// TestMasksAreBounded: a mask for each of many bytes must not make a request that no memory holds.
func TestMasksAreBounded(t *testing.T) {
	c := Default()
	c.AllowAllKeys, c.BlockedValues = true, []string{"x"}
	c.HashFunction, c.HMACKey = "hmac-sha512", "0123456789012345678901234567890123456789012345678901234567890123"
	if got, want := through(t, c, record(strings.Repeat("x", 1<<18))), record("****"); !bytes.Equal(got, want) {
		t.Errorf("%d bytes", len(got))
	}
}

// TestRules: what is found, and what is not.
func TestRules(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
	const pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
	for _, c := range []struct{ rule, in, want string }{
		{"email", "from joe.doe+x@mail.example.com, to <ann@example.org>.", "from ****, to <****>."},
		{"email", "jörg@münchen.de wrote", "**** wrote"},
		{"email", "联系user@example.com联系", "联系****联系"},
		{"email", "pkg@1.2.3 image@sha256:abc a@b @x.de joe@", "pkg@1.2.3 image@sha256:abc a@b @x.de joe@"},
		{"email", "joe@example.com-failed x@a.xn--p1ai.", "****-failed ****."},
		{"email", "a@b@c.de", "a@****"},
		{"credit_card", "paid 4111 1111 1111 1111 with 3782-822463-10005.", "paid **** with ****."},
		{"credit_card", "4111111111111111,5500005555555559;6011000990139424", "****,****;****"},
		{"credit_card", "4111111111111112 4111 1111 1111 1112", "4111111111111112 4111 1111 1111 1112"},
		{"credit_card", "cvv 4111 1111 1111 1111 123", "cvv **** 123"},
		{"credit_card", "12 4111 1111 1111 1111 5", "12 **** 5"},
		{"credit_card", "0.4111111111111111 1700000000000000000 a4111111111111111 41111111111111111111", "0.4111111111111111 1700000000000000000 a4111111111111111 41111111111111111111"},
		{"iban", "to DE89370400440532013000, GB82 WEST 1234 5698 7654 32.", "to ****, ****."},
		{"iban", "DE89370400440532013001 DE8937040044053201300 XX89370400440532013000 DE89", "DE89370400440532013001 DE8937040044053201300 XX89370400440532013000 DE89"},
		{"iban", "DE89 3704 0044 0532 0130 00 EUR", "**** EUR"},
		{"jwt", "token=" + jwt + "; next", "token=****; next"},
		{"jwt", "It is " + jwt + ". Next", "It is ****. Next"},
		{"jwt", "eyJ.eyJ.x eyJhbGciOiJIUzI1NiJ9 eyJhbGciOiJIUzI1NiJ9.x", "eyJ.eyJ.x eyJhbGciOiJIUzI1NiJ9 eyJhbGciOiJIUzI1NiJ9.x"},
		{"bearer", "Authorization: Bearer abcdef0123456789== end", "Authorization: Bearer **** end"},
		{"bearer", `{"bearer":"abcdefghijklmnopqrst"}`, `{"bearer":"****"}`},
		{"bearer", "the bearer of bad news, bearer token, forbearer abcdef0123456789", "the bearer of bad news, bearer token, forbearer abcdef0123456789"},
		{"aws_key", "key AKIAIOSFODNN7EXAMPLE, secret", "key ****, secret"},
		{"aws_key", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n", "aws_secret_access_key = ****\n"},
		{"aws_key", `"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"`, `"SecretAccessKey": "****"`},
		{"aws_key", "AKIAIOSFODNN7EXAMPLEX ABCDEFGHIJKLMNOPQRST", "AKIAIOSFODNN7EXAMPLEX ABCDEFGHIJKLMNOPQRST"},
		{"private_key", "before " + pem + " after", "before **** after"},
		{"private_key", "-----BEGIN PRIVATE KEY-----\nMII", "****"},
		{"private_key", "-----BEGIN CERTIFICATE-----\nMII", "-----BEGIN CERTIFICATE-----\nMII"},
	} {
		cfg := Default()
		cfg.AllowAllKeys, cfg.Rules = true, []string{c.rule}
		if got := through(t, cfg, record(c.in)); !bytes.Equal(got, record(c.want)) {
			t.Errorf("%s in %q: got %q, want %q", c.rule, c.in, wire.ParseLog(first(got)).Body.Str(), c.want)
		}
	}
	all := Default()
	all.AllowAllKeys, all.Rules = true, ruleNames()
	in := "Bearer " + jwt + " joe@x.de"
	if got := through(t, all, record(in)); !bytes.Equal(got, record("Bearer **** ****")) {
		t.Errorf("all rules in %q: %q", in, wire.ParseLog(first(got)).Body.Str())
	}
}

func first(r wire.Request) []byte {
	rs := r.Resources()
	rs.Next()
	sc := rs.Scopes()
	sc.Next()
	it := sc.Items()
	it.Next()
	return it.Bytes()
}

// FuzzRules: finds are inside of the text, go on, and none is missed by the hint.
func FuzzRules(f *testing.F) {
	for _, s := range []string{"a@b.de", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "eyJhbGciOiJIUzI1NiJ9.eyJ9.x", "Bearer 0123456789", "AKIAIOSFODNN7EXAMPLE",
		"secret-access-key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "-----BEGIN PRIVATE KEY-----", "é@é.é", "\xff@\xff.de", "@.@"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, r := range rules {
			for at := 0; ; {
				s, ok := r.next(text, at)
				if !ok {
					break
				}
				if s.from < at || s.to <= s.from || s.to > len(text) {
					t.Fatalf("%s finds %v from %d on in %q", r.name, s, at, text)
				}
				if !regexp.MustCompile(r.hint).Match(text) {
					t.Fatalf("%s: the hint misses %q", r.name, text)
				}
				at = s.to
			}
		}
	})
}

// logs are n records of about 350 B with three kinds of secrets in some.
func logs(n int) wire.Request {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for i := range n {
		l := records.AppendEmpty()
		l.SetTimestamp(1700000000000000000)
		l.Body().SetStr(fmt.Sprintf("request %d completed upstream 4411 cache 12 miss 7099 checkout 8812 payment 9914 accepted 11 user 8125 order 55", i))
		a := l.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("url.path", fmt.Sprint("/api/v1/orders/", i))
		a.PutInt("http.response.status_code", 200)
		a.PutDouble("duration_ms", 15.25)
		a.PutStr("client.address", "10.1.2.3")
		a.PutStr("request.id", fmt.Sprintf("%016x", i*7919))
	}
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		panic(err)
	}
	return b
}

var configurations = map[string]func(*Config){
	"patterns": func(c *Config) {
		c.BlockedValues = []string{`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`, `\b\d{3}-\d{2}-\d{4}\b`, `4[0-9]{12}(?:[0-9]{3})?`}
	},
	"rules": func(c *Config) { c.Rules = ruleNames() },
	"keys": func(c *Config) {
		c.BlockedKeyPatterns, c.HashFunction, c.Summary = []string{"^client\\."}, "sha1", "info"
	},
	"allowed": func(c *Config) {
		c.AllowAllKeys, c.AllowedKeys = false, []string{"url.path", "request.id", "service.name"}
	},
}

// TestRecordsDoNotAllocate: nothing for each record in the steady state.
func TestRecordsDoNotAllocate(t *testing.T) {
	b := pipeline.Batch{Signal: pipeline.Logs, Request: logs(200), Items: 200}
	for name, set := range configurations {
		c := Default()
		c.AllowAllKeys = true
		set(c)
		p := made(t, c, &pipelinetest.Counter{})
		if n := testing.AllocsPerRun(20, func() {
			if err := p.Consume(t.Context(), b); err != nil {
				t.Error(err)
			}
		}); n > 50 { // a pool may lose a run
			t.Errorf("%s: %v allocations for 200 records", name, n)
		}
	}
}

func BenchmarkConsume(b *testing.B) {
	batch := pipeline.Batch{Signal: pipeline.Logs, Request: logs(1000), Items: 1000}
	for name, set := range configurations {
		b.Run(name, func(b *testing.B) {
			c := Default()
			c.AllowAllKeys = true
			set(c)
			p := made(b, c, &pipelinetest.Counter{})
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Consume(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
		})
	}
}
