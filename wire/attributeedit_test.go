package wire

import (
	"bytes"
	"strings"
	"testing"
)

func mustEdit(t testing.TB, operations ...AttributeOperation) *AttributeEdit {
	t.Helper()
	e, err := NewAttributeEdit(operations...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAttributeEdit(t *testing.T) {
	const a, b, c = `6: { 1: "a" 2: { 1: "1" } } `, `6: { 1: "b" 2: { 3: 2 } } `, `6: { 1: "c" 2: { 1: "1" } } `
	value := StringValue("1")
	for _, tc := range []struct {
		name, in, want string
		op             AttributeOperation
	}{
		{"insert", b, b + a, AttributeOperation{Action: InsertAttribute, Key: "a", Value: value}},
		{"insert what is there", b, "", AttributeOperation{Action: InsertAttribute, Key: "b", Value: value}},
		{"insert behind the other attributes", b + `1: i64 3`, b + a + `1: i64 3`, AttributeOperation{Action: InsertAttribute, Key: "a", Value: value}},
		{"insert the first", `1: i64 3`, `1: i64 3 ` + a, AttributeOperation{Action: InsertAttribute, Key: "a", Value: value}},
		{"insert from another", a, a + c, AttributeOperation{Action: InsertAttribute, Key: "c", From: "a"}},
		{"insert from none", b, "", AttributeOperation{Action: InsertAttribute, Key: "c", From: "a"}},
		{"update", `6: { 1: "a" } ` + b, a + b, AttributeOperation{Action: UpdateAttribute, Key: "a", Value: value}},
		{"update what is absent", b, "", AttributeOperation{Action: UpdateAttribute, Key: "a", Value: value}},
		{"update with the same", a + b, "", AttributeOperation{Action: UpdateAttribute, Key: "a", Value: value}},
		{"update from another", a + `6: { 1: "c" }`, a + c, AttributeOperation{Action: UpdateAttribute, Key: "c", From: "a"}},
		{"upsert", b, b + a, AttributeOperation{Action: UpsertAttribute, Key: "a", Value: value}},
		{"upsert the first of equal keys", b + `6: { 1: "a" } 6: { 1: "a" }`, b + a + `6: { 1: "a" }`, AttributeOperation{Action: UpsertAttribute, Key: "a", Value: value}},
		{"upsert from itself", a, "", AttributeOperation{Action: UpsertAttribute, Key: "a", From: "a"}},
		{"upsert an empty value", a, `6: { 1: "a" 2: { } }`, AttributeOperation{Action: UpsertAttribute, Key: "a"}},
		{"rename", a + b, c + b, AttributeOperation{Action: RenameAttribute, From: "a", Key: "c"}},
		{"rename to one that is there", b + a + `6: { 1: "c" 2: { 3: 4 } 90: 1 }`, b + `6: { 1: "c" 2: { 1: "1" } 90: 1 }`,
			AttributeOperation{Action: RenameAttribute, From: "a", Key: "c"}},
		{"rename what is absent", b, "", AttributeOperation{Action: RenameAttribute, From: "a", Key: "b"}},
		{"rename to the same", b, "", AttributeOperation{Action: RenameAttribute, From: "b", Key: "b"}},
		{"rename without a value", `6: { 1: "b" }`, `6: { 1: "a" }`, AttributeOperation{Action: RenameAttribute, From: "b", Key: "a"}},
		{"delete", a + b + c, a + c, AttributeOperation{Action: DeleteAttribute, Key: "b"}},
		{"delete the first of equal keys", a + b + a, b + a, AttributeOperation{Action: DeleteAttribute, Key: "a"}},
		{"delete what is absent", a, "", AttributeOperation{Action: DeleteAttribute, Key: "b"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const before, after = `1: { 3: "u" 2: { 1: { } 2: { `, ` } 3: "v" } 99: 1 } 77: "x"`
			r := Request(asm(t, before+tc.in+after))
			got := (&Editor{}).EditItems(nil, Logs, r, mustEdit(t, tc.op).Apply)
			if tc.want == "" {
				if got.Changed || &got.Request[0] != &r[0] {
					t.Error("changed")
				}
				return
			}
			if want := asm(t, before+tc.want+after); !got.Changed || !bytes.Equal(got.Request, want) {
				t.Errorf("\ngot  %x\nwant %x", got.Request, want)
			}
		})
	}
}

func TestNewAttributeEditErrors(t *testing.T) {
	for _, tc := range []struct {
		op   AttributeOperation
		want string
	}{
		{AttributeOperation{Key: "k"}, "unknown action 0"},
		{AttributeOperation{Action: 9, Key: "k"}, "unknown action 9"},
		{AttributeOperation{Action: InsertAttribute, Key: "k", From: "x", Value: BoolValue(true)}, "both a value and"},
		{AttributeOperation{Action: RenameAttribute, Key: "k"}, "needs the attribute that is renamed"},
		{AttributeOperation{Action: RenameAttribute, Key: "k", From: "x", Value: BoolValue(true)}, "and no value"},
		{AttributeOperation{Action: DeleteAttribute, Key: "k", From: "x"}, "takes neither"},
		{AttributeOperation{Action: InsertAttribute, Key: "\xff"}, "UTF-8"},
		{AttributeOperation{Action: InsertAttribute, Key: "k", Value: StringValue("\xff")}, "UTF-8"},
	} {
		_, err := NewAttributeEdit(AttributeOperation{Action: DeleteAttribute, Key: "fine"}, tc.op)
		if err == nil || !strings.Contains(err.Error(), "cannot use operation 1 on attribute") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v", tc.op, err)
		}
	}
}

// The same operations edit resources.
func TestAppendResource(t *testing.T) {
	e := mustEdit(t, AttributeOperation{Action: UpsertAttribute, Key: "cluster", Value: StringValue("prod")})
	r := benchLogs(t)
	want, _ := EditResources(nil, r, addCluster)
	got, changed := EditResources(nil, r, e.AppendResource)
	if !changed || !bytes.Equal(got, want) {
		t.Error("differs from the resources edited by hand")
	}
	if again, changed := EditResources(nil, got, e.AppendResource); changed || &again[0] != &got[0] {
		t.Error("changed by setting what was set")
	}
	r = asm(t, `1: { 2: { } }`)
	if got, _ := EditResources(nil, r, e.AppendResource); !bytes.Equal(got, asm(t, `1: { 1: { 1: { 1: "cluster" 2: { 1: "prod" } } } 2: { } }`)) {
		t.Errorf("without a resource: %x", got)
	}
}

// Compiled operations do what the methods of an Item do.
func TestAttributeEditAgainstSlow(t *testing.T) {
	ed := &Editor{}
	for seed := range uint64(400) {
		g := generator{entropy: randomEntropy(seed, 60), strict: true}
		var operations []AttributeOperation
		var steps []step
		for range 1 + g.pick(4) {
			switch st := g.step(); {
			case st.do == "set":
				operations = append(operations, AttributeOperation{Action: UpsertAttribute, Key: st.key, Value: st.value})
				steps = append(steps, st)
			case st.do == "rename" && st.from != "":
				operations = append(operations, AttributeOperation{Action: RenameAttribute, Key: st.key, From: st.from})
				steps = append(steps, st)
			case st.do == "delete":
				operations = append(operations, AttributeOperation{Action: DeleteAttribute, Key: st.key})
				steps = append(steps, st)
			}
		}
		for _, s := range []Signal{Metrics, Logs, Traces} {
			m, _ := root(s)
			r := itemSeed(s, seed)
			slow := slowEditor{plans: []plan{{steps: steps}}}
			want, _ := slow.message(m, r)
			if got := ed.EditItems(nil, s, r, mustEdit(t, operations...).Apply); !bytes.Equal(got.Request, want) {
				t.Fatalf("seed %d %v: %+v\ngot  %x\nwant %x", seed, s, operations, got.Request, want)
			}
		}
	}
}
