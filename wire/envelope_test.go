package wire

import (
	"bytes"
	"testing"
)

// TestEnvelope: what stands around the items is as long as is said, and is read back.
func TestEnvelope(t *testing.T) {
	e := Envelope{
		Resource: AppendBytes(nil, FieldResourceXResource, AppendStringAttribute(nil, FieldResourceAttributes, "service.name", "s")),
		Scope:    AppendBytes(nil, FieldScopeXScope, AppendString(nil, FieldScopeName, "scope")),
	}
	for _, n := range []int{0, 1, 100, 127, 128, 20_000} {
		item := AppendBytes(nil, FieldScopeXItem, AppendBytes(nil, FieldLogBody, AppendString(nil, FieldValueString, string(bytes.Repeat([]byte("x"), n)))))
		r := append(e.Append([]byte("before"), len(item)), item...)[len("before"):]
		if len(r) != e.Size(len(item)) {
			t.Errorf("%d bytes of body: the request has %d bytes, %d were said", n, len(r), e.Size(len(item)))
		}
		if _, _, err := Check(Logs, r, Limits{}); err != nil {
			t.Fatal(err)
		}
		for rs := Request(r).Resources(); rs.Next(); {
			for ss := rs.Scopes(); ss.Next(); {
				if name := ParseScope(ss.Scope()).Name; string(name) != "scope" {
					t.Errorf("the scope is %q", name)
				}
				items := ss.Items()
				if !items.Next() {
					t.Fatal("no item")
				}
				l := ParseLog(items.Bytes())
				if got := len(l.Body.Str()); got != n {
					t.Errorf("the body has %d bytes, want %d", got, n)
				}
			}
		}
	}
}
