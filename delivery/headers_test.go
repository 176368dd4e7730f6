package delivery

import (
	"strings"
	"testing"

	"go.opentelemetry.io/collector/config/configopaque"
)

// TestHeaders: what no request could carry is a fault, which never shows a value.
func TestHeaders(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		http, rpc   string // part of the error; empty: valid
	}{
		{"X-Scope-OrgID", "team a", "", ""},
		{"x-text", "tab\there é", "", `"x-text"`},
		{"x-raw-bin", "\xff\x00é", `"x-raw-bin"`, ""},
		{"authorization", "secret\r\nx: y", `"authorization"`, `"authorization"`},
		{"authorization", "secret\n", `"authorization"`, `"authorization"`},
		{"a b", "secret", `"a b" cannot`, `"a b" cannot`},
		{"", "secret", `"" cannot`, `"" cannot`},
		{"x:y", "secret", `"x:y" cannot`, `"x:y" cannot`},
		{"x!", "secret", "", `"x!" cannot`},
		{"grpc-timeout", "1S", "", `"grpc-timeout" cannot`},
	} {
		headers := configopaque.MapList{{Name: "ok", Value: "ok"}, {Name: tt.name, Value: configopaque.String(tt.value)}}
		for kind, got := range map[string]struct {
			err  error
			want string
		}{"HTTP": {CheckHeaders(headers), tt.http}, "gRPC": {CheckMetadata(headers), tt.rpc}} {
			text := ""
			if got.err != nil {
				text = got.err.Error()
			}
			if (got.want == "") != (got.err == nil) || !strings.Contains(text, got.want) || strings.Contains(text, "secret") {
				t.Errorf("%s, %q: got %q, want %q", kind, tt.name, text, got.want)
			}
		}
	}
	if err := CheckHeaders(configopaque.MapList{{Name: "a"}, {Name: "a"}}); err == nil {
		t.Error("a name twice is valid")
	}
}
