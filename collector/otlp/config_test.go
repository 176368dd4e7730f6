package otlp

import (
	"strings"
	"testing"
)

func TestConfigFaults(t *testing.T) {
	cfg := Default()
	cfg.RequestTimeout = 0
	err := cfg.Validate()
	if err == nil || !strings.Contains(err.Error(), `"protocols"`) || !strings.Contains(err.Error(), `"request_timeout"`) {
		t.Errorf("got %v", err)
	}
}
