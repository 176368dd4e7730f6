package delivery

import (
	"errors"
	"github.com/sluiceio/sluice/delivery/answer"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A destination that flaps a hundred times a second for a minute writes a handful of lines.
func TestNoticesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		n := notices{log: slog.New(slog.NewTextHandler(&log, nil))}
		for range 7000 {
			n.outcome(answer.Outcome{Verdict: answer.Retry, Err: errors.New("busy")})
			n.outcome(answer.Outcome{})
			time.Sleep(10 * time.Millisecond)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 4 {
			t.Errorf("%d lines", lines)
		}
		if !strings.Contains(log.String(), "suppressed=5999") {
			t.Error("the lines do not say how many there were:\n" + log.String())
		}
	})
}

// Without retries the lines do not promise any.
func TestNoticesSayWhoSendsAgain(t *testing.T) {
	for _, c := range []struct {
		name      string
		retry     bool
		storage   string
		says, not string
	}{
		{"retries", true, "", "requests are sent again", "callers"},
		{"no retries", false, "", "callers are told to send again", "requests are sent again"},
		{"on disk", false, "file_storage", "requests are sent again", "callers"},
	} {
		for _, verdict := range []answer.Verdict{answer.Retry, answer.Misconfigured} {
			var log strings.Builder
			o := Options{Retry: RetryConfig{Enabled: c.retry}, Queue: QueueConfig{Enabled: true, Storage: c.storage}}
			n := newNotices(slog.New(slog.NewTextHandler(&log, nil)), &o)
			n.outcome(answer.Outcome{Verdict: verdict, Err: errors.New("busy")})
			if got := log.String(); !strings.Contains(got, c.says) || strings.Contains(got, c.not) {
				t.Errorf("%s, verdict %v: %s", c.name, verdict, got)
			}
		}
	}
}
