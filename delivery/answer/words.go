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

const maxExcerpt = 200

// minSecret is the shortest value that is redacted. Shorter ones occur in ordinary text.
const minSecret = 4

// RetryAfter reads a Retry-After header, capped at backoff.MaxAsked; 0 if unreadable or past.
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

// Excerpt makes a message safe for an error: printable, one line, at most 200 bytes, without our secrets, which
// some servers echo.
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

// reasons are phrases of Prometheus, Mimir, VictoriaMetrics and Loki. The first match wins.
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

// ReasonIn finds the reason of a rejection in its message.
func ReasonIn(words string) pipeline.Reason {
	words = strings.ToLower(words)
	for _, r := range reasons {
		if strings.Contains(words, r.words) {
			return r.why
		}
	}
	return pipeline.DropRejected
}

// ErrAnotherValue marks (errors.Is) a rejection which proves that the destination has another value for the same
// timestamp: ours was not stored.
var ErrAnotherValue = errors.New("the destination has another value for the same time")

// WithWords marks err as ErrAnotherValue if the message says so (Prometheus since 2.54, Mimir, Cortex). Stores
// accept the same value twice.
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
