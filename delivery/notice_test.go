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
