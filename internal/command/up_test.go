package command

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// TestUpRefusesFlagsThatAFileReplaces: a flag that would do nothing is a usage error, not silence.
func TestUpRefusesFlagsThatAFileReplaces(t *testing.T) {
	for _, flag := range []string{"--logs=/x/*.log", "--scrape=127.0.0.1:1", "--retention=2h", "--max-disk=1GiB"} {
		var out, errs bytes.Buffer
		code := Run(context.Background(), Program{Name: "sluice", Up: true}, []string{"up", "--config", "nowhere.yaml", flag}, &out, &errs)
		name, _, _ := strings.Cut(flag, "=")
		if code != ExitUsage || !strings.Contains(errs.String(), name) || !strings.Contains(errs.String(), "Try 'sluice up --help'") {
			t.Errorf("%s beside --config: exit code %d, %q", flag, code, errs.String())
		}
	}
}
