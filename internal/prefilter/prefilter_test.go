package prefilter

import (
	"regexp"
	"strings"
	"testing"
)

var expressions = []string{"abc", "^abc", "abc$", "^abc$", ".*abc.*", "^.*abc", "abc.*$", ".*", "", "(abc)", "(?i)abc", "a+bc", "a(bc)?", "^(abc|x)",
	"(?s).*abc", "(?m)^abc$", "abc|x", `\.abc`, "a[b]c", "(?:abc)+", "^a.*c$", "(?P<n>ab)c", "error|timeout|refused", "retry|refused", "^(GET|POST)$",
	"(?i)token|secret", `\b\d{3}-\d{2}-\d{4}\b`, `4[0-9]{12}(?:[0-9]{3})?`, `[\w.+-]+@[\w-]+\.[a-z]{2,}`, "é|ü", "[àáâ]x", "�", `\x{FFFD}a`, "(?i)k", "(?i)ſ",
	"x*", "x+", "(a|b|)c", "(?:)", `a\b`, `\Ba`, "[^a]b", "(a*)+b", "^a|b$", "(^|x)a", "a{2,5}b", "(?:ab){3}", "a|ab|abc", "(?U)a+b", "^", "$", "^$", `\z`, "(a+)+$",
	"^x*$", "colou?r", `\pL+1`, "[a-z]{40}", "é+", "(?i)straße", "a[\\x{80}-\\x{82}]", "^\\d+$", "^[ab]?c", "(?-s).a", "x*?a", "(x+)y", "a\nb"}

var texts = []string{"", "abc", "xabc", "abcx", "xabcx", "a\nabc", "ABC", "ab", "aabbc", "abc\n", "\nabc", "x\nabc\ny", "an error here", "connection refused",
	"refuse", "GET", "GET ", "POST", "TOKEN", "toKen", "SECRET", "ſecret", "123-45-6789", "0123-45-6789", "4111111111111", "4111111111111111", "a@b.de", "a@b",
	"é", "\xc3", "\xa9", "\xc3\xc3\xa9", "\xff", "�", "\xffa", "�a", "k", "K", "ſ", "s", "S", "c", "ac", "bc", "b", "aab", "aaaaaab", "ababab",
	"color", "colour", "é1", strings.Repeat("a", 39), strings.Repeat("q", 40), "éé", "STRASSE", "STRAßE", "straẞe", "a\u0081", "a\x81", "12", "1x", "a\nb", "y", "xy", "\x00a"}

// check fails unless the pattern says what package regexp says.
func check(t *testing.T, p *Pattern, text string) {
	t.Helper()
	want := p.Regexp.MatchString(text)
	if got := p.Match([]byte(text)); got != want {
		t.Errorf("%q on %q: %v, want %v", p.Regexp, text, got, want)
	}
	if want && !p.May([]byte(text)) {
		t.Errorf("%q cannot match %q, but does", p.Regexp, text)
	}
}

func TestPatternsMeanWhatRegexpMeans(t *testing.T) {
	for _, e := range expressions {
		p, err := Compile(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			check(t, p, text)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for i, e := range expressions {
		f.Add(e, texts[i%len(texts)])
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		p, err := Compile(expression)
		if err != nil {
			if _, again := regexp.Compile(expression); again == nil {
				t.Fatal(err)
			}
			return
		}
		check(t, p, text)
		// A text near the expression matches more often.
		check(t, p, strings.NewReplacer("\\", "", "(", "", ")", "", "*", "", "+", "").Replace(expression))
		check(t, p, text+expression+text)
	})
}

// TestWhatPatternsNeed: the engine must not be asked about these texts.
func TestWhatPatternsNeed(t *testing.T) {
	log := []byte("request 4711 completed in 12.5 ms by checkout-7d9f on 10.0.0.1, upstream cache miss, retry 3 at 2024-01-02T03:04:05.678Z")
	for _, e := range []string{"error|timeout|refused", "(?i)password", `\b\d{3}-\d{2}-\d{4}\b`, `4[0-9]{12}(?:[0-9]{3})?`, `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`,
		`(?i)bearer\s+\S+`, `AKIA[0-9A-Z]{16}`, `(?i)(secret|token|passw(or)?d)\s*[:=]`, `\b(?:\d[ -]*?){13,16}\b@`} {
		p, err := Compile(e)
		if err != nil {
			t.Fatal(err)
		}
		if p.May(log) {
			t.Errorf("%s is not filtered: %d needs", e, len(p.needs))
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	text := []byte("request 4711 completed upstream 12 cache 9 miss 7712 checkout 99 payment 1288 accepted 81 user 6 session 8811 order")
	for name, e := range map[string]string{"alternation": "error|timeout|refused", "class": `\b\d{3}-\d{2}-\d{4}\b`, "digits": `4[0-9]{12}(?:[0-9]{3})?`,
		"fold": "(?i)password|secret", "email": `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`} {
		p, err := Compile(e)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match(text)
			}
		})
		b.Run(name+"/regexp", func(b *testing.B) {
			for b.Loop() {
				p.Regexp.Match(text)
			}
		})
	}
}

// TestNeedsAreFew: each text that is looked for costs a pass.
func TestNeedsAreFew(t *testing.T) {
	for e, most := range map[string]int{`\b(?:4\d{3}|5[1-5]\d{2})(?:[ -]?\d{4}){3}\b`: 4, `error|timeout|refused`: 3, `\b(?:a|b|c)-?(?:d|e|f)-?secret=(?:x|y|z)\b`: 3} {
		p, err := Compile(e)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(p.needs); n == 0 || n > most {
			t.Errorf("%s looks for %d texts", e, n)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, e := range []string{"error|timeout|refused", `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`, `\b(?:4\d{3}|5[1-5]\d{2})(?:[ -]?\d{4}){3}\b`} {
		b.Run(e, func(b *testing.B) {
			for b.Loop() {
				if _, err := Compile(e); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(e+"/regexp", func(b *testing.B) {
			for b.Loop() {
				regexp.MustCompile(e)
			}
		})
	}
}
