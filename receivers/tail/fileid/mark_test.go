package fileid

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestMark(t *testing.T) {
	content := strings.Repeat("some line or other\n", 100)
	m := MarkOf(1000, []byte(content[:1000]))
	for text, want := range map[string]bool{content: true, content[:1000]: true, content[:999]: false, "x" + content: false, strings.Repeat("y", 2000): false} {
		if got := m.Matches(strings.NewReader(text)); got != want {
			t.Errorf("%d bytes: %t", len(text), got)
		}
	}
	if b, ok := m.Read(strings.NewReader(content)); !ok || string(b) != content[1000-MarkMax:1000] {
		t.Errorf("%q", b)
	}
	if !(Mark{}).Matches(bytes.NewReader(nil)) {
		t.Error("the mark of nothing must match everything")
	}
	for _, m := range []Mark{m, {}, MarkOf(3, []byte("abc"))} {
		if got, err := ParseMark(m.String()); err != nil || got != m {
			t.Errorf("%s is read back as %s: %v", m, got, err)
		}
	}
	for _, bad := range []string{"", "1", "1:2", "1:2:" + strings.Repeat("0", 32), "300:257:" + strings.Repeat("0", 32), "-1:0:" + strings.Repeat("0", 32), "5:5:00", "5:5:zz"} {
		if got, err := ParseMark(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, got)
		}
	}
}

func TestBegins(t *testing.T) {
	long := strings.Repeat("0123456789abcde\n", 1000)
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"", "x", true}, {"abc", "abcd", true}, {"abcd", "abc", false}, {"abx", "abcd", false},
		{long[:5000], long, true}, {long[:4999] + "x", long, false}, {"x" + long[:5000], long, false},
	} {
		if got := Begins(strings.NewReader(tt.a), strings.NewReader(tt.b), int64(len(tt.a))); got != tt.want {
			t.Errorf("%d of %d bytes: %t", len(tt.a), len(tt.b), got)
		}
	}
}

func TestOriginals(t *testing.T) {
	for name, want := range map[string][]string{
		"app.log.1": {"app.log"}, "app-20260101.log": {"app.log"}, "app.log.bak": {"app.log"}, "app.log": nil, "0.log": nil,
		"0.log.20260101-101112": {"0.log", "0.log.20260101"}, "@400000006956b5c02a0b1c2d.s": {"current"}, "syslog.1": {"syslog"}, "syslog": nil,
		"app.log.before-upgrade": {"app.log", "app.log.before"}, "app-worker.log": nil,
	} {
		got := Originals(name)
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%s: %q, want %q", name, got, w)
			}
		}
		if len(want) == 0 && len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, want := range map[string]bool{"@400000006956b5c02a0b1c2d.s": true, "@400000006956b5c02a0b1c2d.u": true, "@40000.s": false, "@400000006956b5c02a0b1c2d": false, "previous": true, "previously": false} {
		if IsRotatedName("current", name) != want {
			t.Errorf("%s of current: not %t", name, want)
		}
	}
}
