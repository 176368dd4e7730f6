package throttle

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogger: one line a cause and minute, with what was left out; another reason is another cause.
func TestLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := Logger(slog.New(slog.NewTextHandler(&out, nil)), 1).With("id", "x")
		for range 1000 {
			log.Warn("no", "file", "a", "reason", "first")
			log.Warn("no", "file", "b", "reason", "second")
			log.Info("yes")
		}
		if n := strings.Count(out.String(), "\n"); n != 3 || strings.Contains(out.String(), "suppressed") {
			t.Errorf("%d lines:\n%s", n, out.String())
		}
		time.Sleep(Every)
		out.Reset()
		log.Warn("no", "reason", "first")
		if !strings.Contains(out.String(), "suppressed=999") || !strings.Contains(out.String(), "id=x") {
			t.Errorf("after a minute: %s", out.String())
		}
		out.Reset()
		several := Logger(slog.New(slog.NewTextHandler(&out, nil)), 3)
		for range 10 {
			several.Warn("no")
		}
		if n := strings.Count(out.String(), "\n"); n != 3 {
			t.Errorf("%d lines:\n%s", n, out.String())
		}
	})
}
