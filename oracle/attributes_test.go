package oracle

import (
	"fmt"
	"testing"

	"github.com/sluiceio/sluice/wire"
)

type action = map[string]any

// TestAttributes: actions alone, and one after the other.
func TestAttributes(t *testing.T) {
	actions := []action{
		{"key": "new", "value": "x", "action": "insert"},
		{"key": "str", "value": "x", "action": "insert"},
		{"key": "str", "value": "with \"quotes\"\n\\", "action": "update"},
		{"key": "nothing", "value": "x", "action": "update"},
		{"key": "int", "value": 7, "action": "UPSERT"},
		{"key": "float", "value": 7.0, "action": "upsert"},
		{"key": "flag", "value": true, "action": "upsert"},
		{"key": "copy", "from_attribute": "int", "action": "insert"},
		{"key": "copy", "from_attribute": "map", "action": "upsert"},
		{"key": "copy", "from_attribute": "nothing", "action": "upsert"},
		{"key": "copy", "from_attribute": "nothing", "default_value": "instead", "action": "upsert"},
		{"key": "str", "from_attribute": "bool", "default_value": 3, "action": "update"},
		{"key": "tenant", "from_context": "metadata.X-Tenant", "action": "insert"},
		{"key": "str", "from_context": "metadata.x-tenant", "action": "update"},
		{"key": "str", "from_context": "metadata.nothing", "action": "upsert"},
		{"key": "client", "from_context": "client.address", "action": "upsert"},
		{"key": "str", "action": "delete"},
		{"key": "nothing", "action": "delete"},
		{"pattern": "^secret", "action": "delete"},
		{"key": "str", "pattern": "^secret", "action": "delete"},
		{"key": "str", "action": "hash"},
		{"key": "nothing", "action": "hash"},
		{"key": "str", "pattern": "^(?P<method>[A-Z]+) (?P<path>[^?]*)", "action": "extract"},
		{"key": "int", "pattern": "(?P<x>.*)", "action": "extract"},
		{"key": "nothing", "pattern": "(?P<x>.*)", "action": "extract"},
		{"key": "number", "converted_type": "int", "action": "convert"},
		{"key": "number", "converted_type": "double", "action": "convert"},
		{"key": "int", "converted_type": "string", "action": "convert"},
		{"key": "int", "converted_type": "double", "action": "convert"},
		{"key": "double", "converted_type": "string", "action": "convert"},
		{"key": "double", "converted_type": "int", "action": "convert"},
		{"key": "bool", "converted_type": "string", "action": "convert"},
		{"key": "bool", "converted_type": "int", "action": "convert"},
		{"key": "nothing", "converted_type": "int", "action": "convert"},
		// An attribute without a value is there.
		{"key": "empty", "converted_type": "string", "action": "convert"},
		{"key": "empty", "converted_type": "int", "action": "convert"},
		{"key": "map", "converted_type": "string", "action": "convert"},
		{"key": "bytes", "converted_type": "double", "action": "convert"},
		{"key": "copy", "from_attribute": "empty", "action": "insert"},
		{"key": "copy", "from_attribute": "empty", "default_value": "instead", "action": "upsert"},
		{"key": "empty", "value": "x", "action": "insert"},
		{"key": "empty", "value": "x", "action": "update"},
		{"key": "str", "from_attribute": "empty", "action": "update"},
		{"key": "str", "from_attribute": "str", "action": "upsert"},
		{"key": "empty", "from_context": "metadata.x-tenant", "action": "insert"},
		{"key": "empty", "action": "hash"},
		{"key": "int", "action": "hash"},
		{"key": "double", "action": "hash"},
		{"key": "bool", "action": "hash"},
		{"key": "map", "action": "hash"},
		{"key": "bytes", "action": "hash"},
		{"pattern": "^(str|int|map|empty|secret)", "action": "hash"},
		{"key": "str", "pattern": "^secret", "action": "hash"},
		{"key": "str", "default_value": "d", "action": "upsert"},
		{"key": "new", "default_value": []any{"a", 1, true}, "action": "insert"},
		{"key": "tenant", "from_context": "X-Tenant", "action": "insert"},
		{"key": "new", "value": []any{"a", 1.5, map[string]any{"k": "v"}}, "action": "insert"},
		{"key": "str", "value": map[string]any{"b": 1, "a": []any{}}, "action": "upsert"},
	}
	for s, kind := range signals {
		in := kind.make(t)
		run := func(name string, config map[string]any) {
			t.Run(fmt.Sprint(s, "/", name), func(t *testing.T) {
				if !same(t, "attributes", config, in) {
					t.Error("both refuse it")
				}
			})
		}
		for i, a := range actions {
			run(fmt.Sprint(i, a["action"], a["key"]), map[string]any{"actions": []any{a}})
			run(fmt.Sprint("then ", i), map[string]any{"actions": []any{a, actions[(i*7+3)%len(actions)], actions[(i*5+1)%len(actions)]}})
		}
	}
}

// TestAttributesOfSome: include and exclude.
func TestAttributesOfSome(t *testing.T) {
	set := []any{action{"key": "hit", "value": true, "action": "insert"}}
	for s, matches := range map[wire.Signal][]map[string]any{
		wire.Logs: {
			{"match_type": "strict", "log_severity_texts": []any{"INFO"}},
			{"match_type": "regexp", "log_bodies": []any{"^GET", "password"}},
			{"match_type": "regexp", "attributes": []any{action{"key": "str", "value": "GET.*"}}},
			{"match_type": "strict", "resources": []any{action{"key": "service.name", "value": "shop"}}},
			{"match_type": "strict", "log_severity_number": action{"min": 13, "match_undefined": true}},
		},
		wire.Traces: {
			{"match_type": "strict", "services": []any{"shop"}},
			{"match_type": "regexp", "span_names": []any{"^GET"}, "attributes": []any{action{"key": "int"}}},
			{"match_type": "strict", "span_kinds": []any{"SPAN_KIND_SERVER"}},
		},
		wire.Metrics: {
			{"match_type": "strict", "metric_names": []any{"latency"}},
			{"match_type": "regexp", "metric_names": []any{"^http"}},
		},
	} {
		in := signals[s].make(t)
		for i, m := range matches {
			for _, key := range []string{"include", "exclude"} {
				t.Run(fmt.Sprint(s, i, key), func(t *testing.T) {
					if !same(t, "attributes", map[string]any{"actions": set, key: m}, in) {
						t.Error("both refuse it")
					}
				})
			}
		}
	}
}

// TestResourceActions: the processor resource with the actions of attributes.
func TestResourceActions(t *testing.T) {
	for _, list := range [][]any{
		{map[string]any{"key": "str", "action": "hash"}, map[string]any{"key": "nothing", "action": "hash"}},
		{map[string]any{"key": "str", "action": "extract", "pattern": `(?P<method>[A-Z]+) (?P<path>\S+)`}},
		{map[string]any{"key": "number", "action": "convert", "converted_type": "int"}, map[string]any{"key": "int", "action": "convert", "converted_type": "string"}},
		{map[string]any{"key": "new", "action": "insert", "from_attribute": "nothing", "default_value": "x"}},
		{map[string]any{"action": "delete", "pattern": `^s`}, map[string]any{"key": "map", "action": "delete", "pattern": "list"}},
		{map[string]any{"key": "new", "action": "upsert", "from_attribute": "map"}, map[string]any{"key": "str", "action": "update", "value": 7}},
		{map[string]any{"key": "tenant", "action": "upsert", "from_context": "metadata.x-tenant"}, map[string]any{"key": "peer", "action": "insert", "from_context": "client.address"}},
	} {
		for _, in := range []telemetry{logs(t), traces(t), metrics(t)} {
			if !same(t, "resource", map[string]any{"attributes": list}, in) {
				t.Errorf("both refuse %v", list)
			}
		}
	}
}
