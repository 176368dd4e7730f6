package stdlog

import (
	"bytes"
	"log"
	"testing"
)

// TestOneLineIsKeptOut and nothing else. That it is early enough is seen in e2e, by what `version` prints.
func TestOneLineIsKeptOut(t *testing.T) {
	var out bytes.Buffer
	l := quiet(log.New(&out, "", log.Lmsgprefix))
	l.Printf("INFO: metrics: disable exposing PSI metrics because of failed init: no such file")
	l.Printf("ERROR: metrics: something else")
	if got, want := out.String(), "ERROR: metrics: something else\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
