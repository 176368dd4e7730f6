package oracle

import (
	"testing"

	"github.com/sluiceio/sluice/wire"
)

// repeated is a log whose attributes have keys twice.
func repeated(t *testing.T) telemetry {
	t.Helper()
	b, rl := wire.BeginMessage(nil, wire.FieldRequestResource)
	b, sl := wire.BeginMessage(b, wire.FieldResourceXScope)
	b, rec := wire.BeginMessage(b, wire.FieldScopeXItem)
	for _, kv := range []string{"a1", "b2", "a3", "c4", "b5"} {
		b = wire.AppendStringAttribute(b, wire.FieldLogAttributes, kv[:1], kv[1:])
	}
	b = wire.EndMessage(wire.EndMessage(wire.EndMessage(b, rec), sl), rl)
	return checked(t, wire.Logs, b, nil, 1)
}

// TestRepeatedKeys: the first is read, set and deleted, as in pdata.
func TestRepeatedKeys(t *testing.T) {
	in := repeated(t)
	for _, s := range []string{
		`set(attributes["a"], "x")`, `delete_key(attributes, "c")`, `delete_matching_keys(attributes, "a|b")`, `keep_keys(attributes, ["a"])`,
		`set(attributes["x"], attributes["b"])`, `set(attributes["n"], Len(attributes))`, `replace_all_patterns(attributes, "value", "[0-9]", "n")`,
		`replace_all_patterns(attributes, "key", "c", "a")`, `set(body, attributes)`, `limit(attributes, 3, [])`, `truncate_all(attributes, 0)`,
		`merge_maps(attributes, {"a": "m"}, "upsert")`, `merge_maps(attributes, {"a": "m"}, "update")`,
	} {
		t.Run(s, func(t *testing.T) {
			if !same(t, "transform", map[string]any{"error_mode": "propagate", "log_statements": []any{
				map[string]any{"context": "log", "statements": []any{s}}}}, in) {
				t.Error("both refuse it")
			}
		})
	}
}
