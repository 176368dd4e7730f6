package wire

import (
	"bytes"
	"testing"
)

// TestReplaceHeaders: every Resource and Scope by its index, also where there was none; the rest stays.
func TestReplaceHeaders(t *testing.T) {
	var r Request
	for i := range 3 {
		b, rl := BeginMessage(r, FieldRequestResource)
		if i > 0 {
			b = AppendBytes(b, FieldResourceXResource, AppendStringAttribute(nil, FieldResourceAttributes, "k", "old"))
		}
		b = AppendString(b, 77, "unknown")
		for j := range i {
			var sl int
			b, sl = BeginMessage(b, FieldResourceXScope)
			if j == 0 {
				b = AppendBytes(b, FieldScopeXScope, AppendString(nil, FieldScopeName, "lib"))
			}
			b = AppendBytes(b, FieldScopeXItem, AppendFixed64(nil, FieldLogTime, uint64(i)))
			b = EndMessage(b, sl)
		}
		r = EndMessage(b, rl)
	}
	none := func(int) []byte { return nil }
	if out, changed := ReplaceHeaders(nil, r, none, none); changed || &out[0] != &r[0] {
		t.Error("a copy without a change")
	}
	fresh := AppendStringAttribute(nil, FieldResourceAttributes, "k", "new")
	name := AppendString(nil, FieldScopeName, "renamed")
	out, changed := ReplaceHeaders([]byte("before"), r,
		func(i int) []byte {
			if i == 1 {
				return nil
			}
			return fresh
		},
		func(i int) []byte {
			if i == 1 {
				return nil
			}
			return name
		})
	if !changed {
		t.Fatal("no change")
	}
	if checked, _, err := Check(Logs, out, Limits{}); err != nil || !bytes.Equal(checked, out) {
		t.Fatalf("not canonical: %v", err)
	}
	var got []string
	for rs := out.Resources(); rs.Next(); {
		v, _ := ResourceAttributes(rs.Resource()).Find("k")
		got = append(got, string(v.Str()), unknown(rs.Bytes()))
		for sc := rs.Scopes(); sc.Next(); {
			got = append(got, string(ParseScope(sc.Scope()).Name))
		}
	}
	want := []string{"new", "unknown", "old", "unknown", "renamed", "new", "unknown", "lib", "renamed"}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func unknown(message []byte) string {
	for f := MessageFields(message); f.Next(); {
		if f.Number() == 77 {
			return string(f.Body())
		}
	}
	return ""
}

// TestOpen edits a message that is in no request.
func TestOpen(t *testing.T) {
	body := AppendStringAttribute(nil, FieldEventAttributes, "a", "1")
	body = AppendString(body, FieldEventName, "n")
	body = AppendStringAttribute(body, FieldEventAttributes, "b", "2")
	var it Item
	it.Open(MessageEvent, body)
	if it.SetAttribute("a", StringValue("1")); it.Changed() {
		t.Error("an equal value is a change")
	}
	it.SetAttribute("c", IntValue(3))
	if name := it.FindBytes(FieldEventName); !it.Changed() || string(name) != "n" {
		t.Errorf("changed %v, name %q", it.Changed(), name)
	}
	it.SetAttributes(AppendBoolAttribute(nil, FieldEventAttributes, "only", true))
	want := AppendString(AppendBoolAttribute(nil, FieldEventAttributes, "only", true), FieldEventName, "n")
	if !bytes.Equal(it.Bytes(), want) {
		t.Errorf("got %x, want %x", it.Bytes(), want)
	}
	it.Open(MessageScope, nil)
	if it.Changed() || len(it.Bytes()) != 0 {
		t.Error("something was left of the message before")
	}
	it.SetAttributes(AppendBoolAttribute(nil, FieldScopeAttributes, "x", true))
	if v, ok := it.Attribute("x"); !ok || !v.Bool() {
		t.Error("no attribute in an empty message")
	}
}

// TestPlace counts resources, scopes and metrics over the whole request.
func TestPlace(t *testing.T) {
	var r Request
	for range 2 {
		b, rm := BeginMessage(r, FieldRequestResource)
		for range 2 {
			var sm, m, g int
			b, sm = BeginMessage(b, FieldResourceXScope)
			b, m = BeginMessage(b, FieldScopeXItem)
			b, g = BeginMessage(b, FieldMetricGauge)
			b = AppendBytes(b, FieldDataPoints, AppendFixed64(nil, FieldNumberTime, 1))
			b = EndMessage(EndMessage(EndMessage(b, g), m), sm)
		}
		r = EndMessage(b, rm)
	}
	var e Editor
	for range 2 {
		n := 0
		e.EditItems(nil, Metrics, r, func(it *Item) {
			if rs, sc, m := it.Place(); rs != n/2 || sc != n || m != n {
				t.Errorf("item %d: %d %d %d", n, rs, sc, m)
			}
			n++
		})
	}
}
