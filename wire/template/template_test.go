package template

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sluiceio/sluice/wire"
)

const (
	textType = "text/plain; version=0.0.4; charset=utf-8"
	openType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

func settings() Settings {
	return Settings{
		Scope:           "github.com/sluiceio/sluice/receivers/scrape",
		Target:          labels.FromStrings("job", "test", "instance", "host:9100", "zone", "a"),
		HonorTimestamps: true,
		Validation:      model.UTF8Validation,
	}
}

// pair drives a Template and the reference with the same scrapes.
type pair struct {
	t   testing.TB
	tpl *Template
	ref *reference
	now time.Time
}

func newPair(t testing.TB, s Settings) *pair {
	return &pair{t: t, tpl: New(s), ref: newReference(s), now: time.UnixMilli(1_700_000_000_000)}
}

// scrape gives both one scrape and fails the test where they differ.
func (p *pair) scrape(contentType, body string, err error) Result {
	p.t.Helper()
	p.now = p.now.Add(15 * time.Second)
	in := Input{Time: p.now, ContentType: contentType, Err: err}
	if err == nil {
		in.Body = []byte(body)
	}
	want, ref := p.ref.scrape(in)
	res := p.tpl.Scrape(in)
	req := p.tpl.AppendRequest([]byte("x"))[1:]
	if len(req) != res.Size {
		p.t.Fatalf("the result says %d bytes, the request has %d", res.Size, len(req))
	}
	got := decode(p.t, req)
	if n := wire.Count(wire.Metrics, req); n != res.Items {
		p.t.Fatalf("the result says %d items, the request has %d", res.Items, n)
	}
	got, reported := splitReport(got)
	if d := diff(got, want); d != "" {
		p.t.Fatalf("samples differ (+ ours, - Prometheus)\n%s\nbody:\n%s", d, body)
	}
	if (res.Err == nil) != (ref.err == nil) || res.Scraped != ref.scraped || res.Kept != ref.kept || res.Added != ref.added ||
		res.OutOfBounds != ref.outOfBounds {
		p.t.Fatalf("counts differ: ours %+v, Prometheus' %+v\nbody:\n%s", res, ref, body)
	}
	up := 1.0
	if ref.err != nil {
		up = 0
	}
	wantReport := []float64{up, 0, float64(ref.scraped), float64(ref.kept), float64(ref.added)}
	for i, v := range wantReport {
		if reported[i].bits != math.Float64bits(v) || reported[i].ms != p.now.UnixMilli() {
			p.t.Fatalf("report %s is %v, want %v", reports[i].name, reported[i], v)
		}
	}
	return res
}

// splitReport takes the synthetic series off the end.
func splitReport(ps []point) (rest, report []point) {
	n := len(ps) - reportsBase
	return ps[:n], ps[n:]
}

func TestSequences(t *testing.T) {
	const base = `# HELP a A.
# TYPE a counter
a{x="1"} 1
a{x="2"} 2
# TYPE h histogram
h_bucket{le="1"} 1
h_bucket{le="2.0"} 3
h_bucket{le="+Inf"} 4
h_sum 7.5
h_count 4
# TYPE s summary
s{quantile="0.5"} 1
s{quantile="0.99"} NaN
s_sum 3
s_count 2
b 5
`
	f := func(name string, change func(*Settings), typ string, bodies ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			s := settings()
			if change != nil {
				change(&s)
			}
			p := newPair(t, s)
			for _, b := range bodies {
				if b == "fail" {
					p.scrape("", "", ErrInvalid)
					continue
				}
				p.scrape(typ, b, nil)
			}
		})
	}
	r := strings.NewReplacer
	f("same", nil, textType, base, base, base)
	f("values", nil, textType, base, r(`"1"} 1`, `"1"} 10`, "7.5", "1e3", "NaN", "2").Replace(base), base)
	f("gone and back", nil, textType, base, r("a{x=\"1\"} 1\n", "").Replace(base), base, "b 5\n", base)
	f("fail", nil, textType, base, "fail", "fail", base, "", base)
	f("inexact histogram", nil, textType, base, r("+Inf\"} 4", "+Inf\"} 5").Replace(base), base)
	f("bucket gone", nil, textType, base, r("h_bucket{le=\"1\"} 1\n", "").Replace(base), base)
	f("parse error", nil, textType, base, base+"c d\n", base, "x 1\ny z\n", base)
	f("limit", func(s *Settings) { s.SampleLimit = 5 }, textType, "a 1\nb 2\n", base, "a 1\nb 2\n", "a 3\nb 2\nc 5\n", base, base)
	f("stamps", nil, textType, "a 1 1000\nb 2\n", "a 1 1000\nb 2 2000\n", "a 1\nb 2 3000\n", "a 1 5\na 1 6\n")
	f("duplicates", nil, textType, "a 1\na 2\nb 1\n", "a 1\na 3\nb 1\n", "a 4\nb 1\na 3\n", "a 1\nb 1\n")
	f("order", nil, textType, "a 1\nb 2\nc 3\n", "c 3\nb 3\na 1\n", "b 2\nc 3\na 1\n")
	f("open", nil, openType, "# TYPE a counter\na_total 1\n# EOF\n", "# TYPE a counter\na_total 2\n# EOF\n", "# TYPE a counter\na_total 2", "# TYPE a counter\na_total 2\n# EOF")
	f("exemplars", nil, openType,
		"# TYPE a counter\na_total 1 # {trace_id=\"0102030405060708090a0b0c0d0e0f10\"} 0.5\n# EOF\n",
		"# TYPE a counter\na_total 2\n# EOF\n",
		"# TYPE a counter\na_total 2 # {trace_id=\"x\"} 0.5 1.5\n# EOF\n",
		"# TYPE a counter\n# EOF\n")
}

func TestParseValue(t *testing.T) {
	for _, s := range []string{
		"0", "-0", "1", "+1", "1.5", ".5", "5.", "1e3", "1E-3", "1e22", "1e23", "9007199254740993", "9007199254740992",
		"0.1", "123456789012345678901234567890", "1.7976931348623157e308", "5e-324", "NaN", "nan", "+Inf", "-inf", "Infinity",
		"0.00012345678901234567", "8.589934592e+09", "1.7543241e+09", "00012", "1e0", "1e+5", "3.141592653589793",
	} {
		want, err := parseFloatRef(s)
		if err != nil {
			t.Fatal(err)
		}
		bits, n := parseValue([]byte(s + "\n"))
		if n != len(s) || bits != want {
			t.Errorf("%q: %x %d, want %x", s, bits, n, want)
		}
	}
	for _, s := range []string{"", "x", "1x", "1e", "1e+", "--1", ".", "0x1p-2", "1_000", "1e400", "0x10", "1{"} {
		if _, n := parseValue([]byte(s + "\n")); n != 0 {
			t.Errorf("%q: taken", s)
		}
	}
}

// TestLongNumbersAreRoundedCorrectly: numbers of 16 to 19 digits, those in the middle between two floats included.
func TestLongNumbersAreRoundedCorrectly(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300_000 {
		var s string
		switch r.IntN(3) {
		case 0:
			s = strconv.FormatFloat(math.Exp(r.Float64()*60-20), 'g', -1, 64)
		case 1:
			s = fmt.Sprintf("%d.%d", r.Uint64N(1e10), r.Uint64N(1e9))
		case 2: // halfway, and one beside it
			f := r.Float64() * 1e6
			next := math.Nextafter(f, math.Inf(1))
			mid := new(big.Float).SetPrec(200).Add(big.NewFloat(f), big.NewFloat(next))
			s = mid.Quo(mid, big.NewFloat(2)).Text('g', 17+r.IntN(3))
		}
		want, err := parseFloatRef(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, n := parseValue([]byte(s + "\n")); got != want || n != len(s) {
			t.Fatalf("%s: %v, want %v", s, math.Float64frombits(got), math.Float64frombits(want))
		}
	}
}

// FuzzParseValue: the number, or that there is none, is what Prometheus' parser finds.
func FuzzParseValue(f *testing.F) {
	for _, s := range []string{"1", "12345678", "123456789.12345678", "1e5", "NaN", "9007199254740993", "0.30000000000000004", "12345678a", "1234567\x3a"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if i := strings.IndexAny(string(b), " \t\n"); i >= 0 {
			b = b[:i]
		}
		want, err := parseFloatRef(string(b))
		bits, n := parseValue(append(b[:len(b):len(b)], '\n'))
		switch {
		case err != nil && n != 0 && !strings.ContainsAny(string(b), "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"):
			t.Fatalf("%q is taken as %v", b, math.Float64frombits(bits))
		case err == nil && (n != len(b) || bits != want):
			t.Fatalf("%q: %v of %d bytes, want %v", b, math.Float64frombits(bits), n, math.Float64frombits(want))
		}
	})
}

func BenchmarkParseValue(b *testing.B) {
	for _, s := range []string{"0", "12345", "1027.25", "8.589934592e+09", "123456789012", "1234567.8900000001", "0.00012345678901234567"} {
		b.Run(s, func(b *testing.B) {
			text := []byte(s + "\n")
			for b.Loop() {
				if _, n := parseValue(text); n != len(s) {
					b.Fatal(n)
				}
			}
		})
	}
}
