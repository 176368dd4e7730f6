package stdlog

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"testing"
)

// TestWhatIsKeptOut and nothing else. That it is early enough is seen in e2e, by what `version` prints.
func TestWhatIsKeptOut(t *testing.T) {
	var out bytes.Buffer
	l := log.New(&out, "", log.Lmsgprefix)
	f := quiet(l)
	l.Printf("INFO: metrics: disable exposing PSI metrics because of failed init: no such file")
	l.Printf("ERROR: metrics: something else")
	for range 3 {
		l.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "Bearer secret", nil)
	}
	want := "ERROR: metrics: something else\nUnsolicited response received on idle HTTP channel\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	f.use(lines{slog.New(slog.NewJSONHandler(&out, nil))})
	l.Printf("something else")
	if got := out.String(); !strings.HasPrefix(got, "{") || !strings.Contains(got, `"msg":"something else"`) {
		t.Errorf("got %q, want a line of JSON", got)
	}
}
