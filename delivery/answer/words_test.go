package answer

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/internal/backoff"
	"github.com/sluiceio/sluice/pipeline"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"0":                             0,
		"-3":                            0,
		"1000000000":                    backoff.MaxAsked,
		"99999999999999999999999":       0,
		"soon":                          0,
		"1.5":                           0,
		"Mon, 23 Nov 2026 12:00:09 GMT": 9 * time.Second,
		"Mon, 23 Nov 2026 11:00:00 GMT": 0,
		"Sun, 23 Nov 2036 12:00:00 GMT": backoff.MaxAsked,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("Retry-After %q is %s, want %s", value, got, want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	secrets := []string{"tok-8f3a9c", "abc", ""}
	for _, c := range []struct{ name, text, want string }{
		{"plain", "rate limited", "rate limited"},
		{"lines and tabs", " a\r\n\tb  c\n", "a b c"},
		{"control and broken bytes", "a\x00\x1b[31mb\xffc", "a [31mb c"},
		{"a secret", "token tok-8f3a9c is wrong", "token <redacted> is wrong"},
		{"a short value is not a secret", "abc", "abc"},
		{"nothing", "\n\n", ""},
	} {
		if got := Excerpt(c.text, secrets); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	long := Excerpt(strings.Repeat("grüße ", 100), nil)
	if len(long) > maxExcerpt || len(long) < maxExcerpt-8 || !utf8.ValidString(long) {
		t.Errorf("a long text is cut to %d bytes: %q", len(long), long)
	}
}

func TestReasonIn(t *testing.T) {
	for words, want := range map[string]pipeline.Reason{
		"out of order sample": pipeline.DropOutOfOrder,
		"failed pushing to ingester: user=1: the sample has been rejected because its timestamp is too old (err-mimir-sample-timestamp-too-old)": pipeline.DropTooOld,
		"entry for stream '{app=\"x\"}' has timestamp too new: 2030":                                                                             pipeline.DropTooNew,
		"duplicate sample for timestamp":                 pipeline.DropDuplicate,
		"entry too far behind, entry timestamp is: 2020": pipeline.DropTooOld,
		"Out of bounds":   pipeline.DropTooOld,
		"invalid label x": pipeline.DropRejected,
		"":                pipeline.DropRejected,
	} {
		if got := ReasonIn(words); got != want {
			t.Errorf("%q is %s, want %s", words, got, want)
		}
	}
}
