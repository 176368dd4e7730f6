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

// TestAddresses: what cannot be listened on is a fault of the file, not of the start.
func TestAddresses(t *testing.T) {
	for address, good := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:4317": true, ":4317": true, "localhost:4317": true,
		"127.0.0.1:99999": false, "::1:14517": false, "nowhere": false, "127.0.0.1:http": false,
	} {
		grpc, http := Default(), Default()
		grpc.Protocols.GRPC.GetOrInsertDefault().NetAddr.Endpoint = address
		http.Protocols.HTTP.GetOrInsertDefault().NetAddr.Endpoint = address
		for _, cfg := range []*Config{grpc, http} {
			err := cfg.Validate()
			if good != (err == nil) || !good && strings.Count(err.Error(), address) != 1 {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
}

// TestOneAddressForBoth: two listeners cannot have one port, unless the system chooses it.
func TestOneAddressForBoth(t *testing.T) {
	for address, good := range map[string]bool{"127.0.0.1:0": true, "127.0.0.1:4317": false} {
		cfg := Default()
		cfg.Protocols.GRPC.GetOrInsertDefault().NetAddr.Endpoint = address
		cfg.Protocols.HTTP.GetOrInsertDefault().NetAddr.Endpoint = address
		if err := cfg.Validate(); good != (err == nil) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
