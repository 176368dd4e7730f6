package rows

import (
	"strings"
	"testing"
)

func TestLevel(t *testing.T) {
	for line, want := range map[string]string{
		`{"time":"x","level":"WARN","msg":"an error"}`: "warn",
		`ts=1 lvl=dbg msg="no error"`:                  "debug",
		`severity: Critical failure`:                   "critical",
		`2026/11/23 [ERR] broke`:                       "error",
		`INFO starting, panic mode off`:                "info",
		`errors are not a level, information is`:       "info",
		`level of water: high`:                         "unknown",
		`level=`:                                       "unknown",
		``:                                             "unknown",
		strings.Repeat(" ", scanBytes) + "error":       "unknown",
		`loglevel="fatal"`:                             "fatal",
	} {
		if got := lineLevel(line); got != want {
			t.Errorf("%q is %s, want %s", line, got, want)
		}
	}
	for n, want := range map[int32]string{0: "", 1: "trace", 8: "debug", 9: "info", 13: "warn", 20: "error", 24: "fatal", 99: "unknown"} {
		if got := severityLevel(n); got != want {
			t.Errorf("severity %d is %q, want %q", n, got, want)
		}
	}
}
