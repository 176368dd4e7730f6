package trial

import (
	"slices"
	"testing"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestFieldNamesAreThoseOfTheProtocol, all of them and no others.
func TestFieldNamesAreThoseOfTheProtocol(t *testing.T) {
	want, seen := map[string]bool{}, map[protoreflect.FullName]bool{}
	var walk func(protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			want[f.JSONName()] = true
			if camel(string(f.Name())) != f.JSONName() {
				t.Errorf("%s is %s, want %s", f.Name(), camel(string(f.Name())), f.JSONName())
			}
			if f.Message() != nil {
				walk(f.Message())
			}
		}
	}
	for _, m := range []proto.Message{&collogs.ExportLogsServiceRequest{}, &colmetrics.ExportMetricsServiceRequest{}, &coltrace.ExportTraceServiceRequest{}} {
		walk(m.ProtoReflect().Descriptor())
	}
	for name := range want {
		if !slices.Contains(fieldNames, name) {
			t.Errorf("%s is missing", name)
		}
	}
	for _, name := range fieldNames {
		if !want[name] {
			t.Errorf("%s is no field", name)
		}
	}
}

// TestCheckNames: the first unknown field, at any depth, and where it ends.
func TestCheckNames(t *testing.T) {
	for text, at := range map[string]int64{
		`{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "bodi"}, "severity_number": 9, "attributes": [{"key": "severitynumber"}]}]}]}]}`: 0,
		`{"resourceLogs": [{"bodi": 1}]}`: 25,
		`{"resourceLogs": [], "a": {}}`:   24,
		`{"resourceLogs": [{"scopeLogs": [{}, {"logRecords": [[], {"body": {"kvlistValue": {"values": [{"key": "k", "value": {"string": "x"}}]}}}]}]}]}`: 117 + 8,
		`{"resourceLogs": [`: 0,
	} {
		got, err := checkNames([]byte(text))
		if got != at || (err != nil) != (at > 0) {
			t.Errorf("%s: %d, %v, want %d", text, got, err, at)
		}
	}
}
