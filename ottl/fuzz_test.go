package ottl

import (
	"strings"
	"testing"

	"github.com/sluiceio/sluice/ottl/syntax"
	"github.com/sluiceio/sluice/wire"
)

// FuzzStatement compiles and runs whatever comes: no panic, faults inside the text, and a result that is canonical OTLP.
func FuzzStatement(f *testing.F) {
	for _, s := range []string{
		`set(attributes["a"], 1)`, `set(body["x"][2], {"a": [1, 2.5, nil, true, 0xff]}) where not (a == 1 or b != nil) and true`,
		`delete_key(resource.attributes, "k")`, `replace_all_patterns(attributes, "key", "(k)", "$1")`,
		`merge_maps(attributes, ParseJSON("{\"a\":[1,{\"b\":null}]}"), "upsert")`, `set(time, Time("2024", "%Y") + Duration("1h"))`,
		`limit(attributes, 1, ["s"]) where IsMatch(body, "^h.*o$")`, `set(cache["a"]["b"], attributes)`,
		`truncate_all(attributes, 3, truncation_marker=".")`, `set(attributes["x"], Split(body, "l")[1])`, `set(trace_id.string, "00")`,
		`set(attributes[Int("1")], -(1 + 2) * 3)`, "set(attributes[\"\\\"\"], \"\\u00e9\")", strings.Repeat("(", 100),
	} {
		f.Add(s)
	}
	request := sample(3)
	f.Fuzz(func(t *testing.T, text string) {
		if s, fault := syntax.ParseStatement(text); fault != nil && (fault.At < 0 || fault.At > len(text) || s != nil) {
			t.Fatalf("fault outside of the text: %v", fault)
		}
		p, faults := Compile(wire.Logs, []Block{{Context: "log", Statements: []string{text}, Mode: Silent}})
		if len(faults) > 0 {
			return
		}
		run := p.Start(nil)
		defer run.Done()
		out, err := run.Over(request)
		if err != nil {
			t.Fatal(err)
		}
		checked, info, err := wire.Check(wire.Logs, out, wire.Limits{})
		if err != nil || info.Items != 3 || string(checked) != string(out) {
			t.Fatalf("not canonical OTLP: %v, %d items", err, info.Items)
		}
	})
}

// sample is a request of n logs with attributes of every kind, and with fields that we do not know at every level.
func sample(n int) wire.Request {
	b, rl := wire.BeginMessage(nil, wire.FieldRequestResource)
	b = wire.AppendString(b, 90, "before")
	b, res := wire.BeginMessage(b, wire.FieldResourceXResource)
	b = wire.AppendString(b, 91, "in the resource")
	b = wire.AppendStringAttribute(b, wire.FieldResourceAttributes, "service.name", "shop")
	b = wire.AppendStringAttribute(b, wire.FieldResourceAttributes, "k", "v")
	b = wire.EndMessage(b, res)
	b = wire.AppendString(b, wire.FieldResourceXSchemaURL, "https://schema")
	b, sl := wire.BeginMessage(b, wire.FieldResourceXScope)
	b, sc := wire.BeginMessage(b, wire.FieldScopeXScope)
	b = wire.AppendString(b, wire.FieldScopeName, "lib")
	b = wire.AppendUint(b, 92, 1)
	b = wire.EndMessage(b, sc)
	for i := range n {
		var rec, body, kv, val, m int
		b, rec = wire.BeginMessage(b, wire.FieldScopeXItem)
		b = wire.AppendFixed64(b, wire.FieldLogTime, uint64(1700000000000000000+i))
		b = wire.AppendUint(b, wire.FieldLogSeverityNumber, uint64(9+4*(i%3)))
		b = wire.AppendString(b, 93, "in the record")
		b, body = wire.BeginMessage(b, wire.FieldLogBody)
		b = wire.AppendString(b, wire.FieldValueString, []string{"hello", "GET /healthz 200", "error: connection reset by peer, will try again"}[i%3])
		b = wire.EndMessage(b, body)
		b = wire.AppendStringAttribute(b, wire.FieldLogAttributes, "s", "text")
		b = wire.AppendIntAttribute(b, wire.FieldLogAttributes, "http.response.status_code", int64(200+i))
		b = wire.AppendString(b, wire.FieldLogSeverityText, "INFO")
		b = wire.AppendDoubleAttribute(b, wire.FieldLogAttributes, "d", 1.5)
		b = wire.AppendBoolAttribute(b, wire.FieldLogAttributes, "b", true)
		b = wire.AppendStringAttribute(b, wire.FieldLogAttributes, "password", "hunter2")
		b, kv = wire.BeginMessage(b, wire.FieldLogAttributes)
		b = wire.AppendString(b, wire.FieldKeyValueKey, "m")
		b = wire.AppendString(b, 94, "in the attribute")
		b, val = wire.BeginMessage(b, wire.FieldKeyValueValue)
		b, m = wire.BeginMessage(b, wire.FieldValueMap)
		b = wire.AppendStringAttribute(b, wire.FieldMapValues, "x", "y")
		b = wire.EndMessage(wire.EndMessage(wire.EndMessage(b, m), val), kv)
		b = wire.AppendBytes(b, wire.FieldLogTraceID, []byte("0123456789abcdef"))
		b = wire.EndMessage(b, rec)
	}
	b = wire.EndMessage(b, sl)
	b = wire.EndMessage(b, rl)
	return b
}
