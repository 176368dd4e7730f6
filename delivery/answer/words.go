package answer

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sluiceio/sluice/internal/backoff"
	"github.com/sluiceio/sluice/pipeline"
)

// maxExcerpt is how many bytes of a destination's own words go into an error.
const maxExcerpt = 200

// minSecret is the length from which on a configured value is removed from a destination's words. Shorter ones would
// turn up in ordinary text.
const minSecret = 4

// RetryAfter reads a Retry-After header: seconds, or a date. What cannot be read, or is past, is 0; what is too long
// is cut by the backoff.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseUint(v, 10, 64); err == nil {
		return time.Duration(min(s, uint64(backoff.MaxAsked/time.Second))) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), backoff.MaxAsked)
}

// Excerpt makes a destination's words fit for an error: printable, on one line, without any of the secrets that we
// sent it, and at most 200 bytes. Some servers answer a wrong token with the token.
func Excerpt(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= minSecret {
			text = strings.ReplaceAll(text, s, "<redacted>")
		}
	}
	var b strings.Builder
	space := false
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = ' '
		}
		if r == ' ' {
			space = b.Len() > 0
			continue
		}
		n := utf8.RuneLen(r)
		if space {
			n++
		}
		if b.Len()+n > maxExcerpt {
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// reasons are what stores of samples and lines say when they turn something down, in the words of Prometheus, Mimir,
// VictoriaMetrics and Loki. The first that occurs counts.
var reasons = [...]struct {
	words string
	why   pipeline.Reason
}{
	{"out of order", pipeline.DropOutOfOrder},
	{"out-of-order", pipeline.DropOutOfOrder},
	{"too far behind", pipeline.DropTooOld}, // of Loki, which takes a repetition
	{"duplicate sample", pipeline.DropDuplicate},
	{"duplicate-timestamp", pipeline.DropDuplicate},
	{"too old", pipeline.DropTooOld},
	{"too-old", pipeline.DropTooOld},
	{"too new", pipeline.DropTooNew},
	{"too far in the future", pipeline.DropTooNew}, // Prometheus says "out of bounds: timestamp is too far in the future"
	{"too-far-in-future", pipeline.DropTooNew},
	{"out of bounds", pipeline.DropTooOld},
}

// ReasonIn looks for the reason of a rejection in a destination's words, which say more than its status.
func ReasonIn(words string) pipeline.Reason {
	words = strings.ToLower(words)
	for _, r := range reasons {
		if strings.Contains(words, r.words) {
			return r.why
		}
	}
	return pipeline.DropRejected
}

// ErrAnotherValue is what a rejection says, by errors.Is, whose words prove that the destination has another value for the
// same time: what was sent is not there.
var ErrAnotherValue = errors.New("the destination has another value for the same time")

// WithWords returns err, marked as ErrAnotherValue if a destination's words say so: Prometheus since 2.54, Mimir, Cortex.
// A store that has the same value takes it again.
func WithWords(err error, words string) error {
	for _, w := range [...]string{"overrides not allowed", "different value", "err-mimir-sample-duplicate-timestamp"} {
		if strings.Contains(words, w) {
			return anotherValue{err}
		}
	}
	return err
}

type anotherValue struct{ error }

func (e anotherValue) Is(target error) bool { return target == ErrAnotherValue }
func (e anotherValue) Unwrap() error        { return e.error }
