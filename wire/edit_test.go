package wire

import (
	"bytes"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// addCluster is an edit that appends one attribute.
func addCluster(dst, resource []byte) ([]byte, bool) {
	return AppendStringAttribute(append(dst, resource...), FieldResourceAttributes, "cluster", "prod"), true
}

func TestEditResources(t *testing.T) {
	long := `1: { 1: "service.name" 2: { 1: "` + strings.Repeat("x", 90) + `" } }`
	const cluster = ` 1: { 1: "cluster" 2: { 1: "prod" } }`
	for _, c := range []struct{ name, in, want string }{
		{"first field", `1: { 1: { 2: 1 } 3: "u" }`, `1: { 1: { 2: 1` + cluster + ` } 3: "u" }`},
		{"last field, as pdata writes it", `1: { 3: "u" 2: { } 1: { 2: 1 } }`, `1: { 3: "u" 2: { } 1: { 2: 1` + cluster + ` } }`},
		{"between others", `1: { 3: "u" 1: { 2: 1 } 2: { } }`, `1: { 3: "u" 1: { 2: 1` + cluster + ` } 2: { } }`},
		{"empty", `1: { 1: { } }`, `1: { 1: { ` + cluster + ` } }`},
		{"none", `1: { 3: "u" 2: { } }`, `1: { 1: { ` + cluster + ` } 3: "u" 2: { } }`},
		{"nothing at all", `1: { }`, `1: { 1: { ` + cluster + ` } }`},
		{"lengths of two bytes", `1: { 3: "u" 1: { ` + long + ` } }`, `1: { 3: "u" 1: { ` + long + cluster + ` } }`},
		{"lengths that grow", `1: { 1: { ` + long[:len(long)-5] + `" } } } }`, `1: { 1: { ` + long[:len(long)-5] + `" } }` + cluster + ` } }`},
		{"unknown fields", `99: 1 1: { 98: "a" 1: { 97: 1 3: { 2: "host" } } 96: 2 } 95: "b"`,
			`99: 1 1: { 98: "a" 1: { 97: 1 3: { 2: "host" }` + cluster + ` } 96: 2 } 95: "b"`},
		{"several", `1: { 1: { } } 90: 1 1: { } 1: { 3: "u" }`,
			`1: { 1: { ` + cluster + ` } } 90: 1 1: { 1: { ` + cluster + ` } } 1: { 1: { ` + cluster + ` } 3: "u" }`},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := Request(asm(t, c.in))
			got, changed := EditResources(nil, in, addCluster)
			if want := asm(t, c.want); !changed || !bytes.Equal(got, want) {
				t.Errorf("\ngot  %x\nwant %x", got, want)
			}
			if _, info, err := Check(Logs, got, Limits{}); err != nil || info.Canonicalized {
				t.Error("the result is not canonical:", err)
			}
		})
	}
}

// A request that no edit touches is the same slice, whatever edit did to the buffer.
func TestEditResourcesUnchanged(t *testing.T) {
	r := benchLogs(t)
	buf := make([]byte, 0, 1<<20)
	edit := func(dst, resource []byte) ([]byte, bool) { return append(dst, "scratch"...), false }
	got, changed := EditResources(buf, r, edit)
	if changed || &got[0] != &r[0] || len(got) != len(r) {
		t.Error("not the request itself")
	}
	if n := testing.AllocsPerRun(10, func() { EditResources(buf, r, edit) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got, changed := EditResources(nil, nil, addCluster); changed || got != nil {
		t.Error("an empty request changed")
	}
}

// Only what edit touches is written anew; what stood in dst stays; edit sees what stands in the request.
func TestEditResourcesSome(t *testing.T) {
	r := benchLogs(t)
	want := plogotlp.NewExportRequest()
	if err := want.UnmarshalProto(r); err != nil {
		t.Fatal(err)
	}
	for i, rl := range want.Logs().ResourceLogs().All() {
		switch i {
		case 3, 4, 8:
			rl.Resource().Attributes().PutStr("cluster", "prod")
		case 5:
			pcommon.NewResource().CopyTo(rl.Resource())
		}
	}
	seen := 0
	got, changed := EditResources([]byte("prefix"), r, func(dst, resource []byte) ([]byte, bool) {
		if v, ok := ResourceAttributes(resource).Find("host.name"); !ok || string(v.Str()) != "node-17.eu-central-1.example.com" {
			t.Errorf("resource %d: host.name is %q", seen, v.Str())
		}
		seen++
		switch seen - 1 {
		case 3, 4, 8:
			return addCluster(dst, resource)
		case 5:
			return dst, true
		}
		return append(dst, "scratch that is thrown away"...), false
	})
	if !changed || seen != 10 {
		t.Fatal(changed, seen)
	}
	have := plogotlp.NewExportRequest()
	if err := have.UnmarshalProto(got); err != nil || !bytes.Equal(marshal(t, have), marshal(t, want)) {
		t.Error("differs from what pdata makes of it")
	}
}

// slowEdit is EditResources done the plain way: every message is taken apart and put together again.
func slowEdit(r Request, edit func(dst, resource []byte) ([]byte, bool)) ([]byte, bool) {
	var out []byte
	any := false
	for c := (scan{b: r}); c.next(); {
		if c.num != FieldRequestResource || c.wire != TypeBytes {
			out = c.append(out)
			continue
		}
		var body, resource []byte
		for f := (scan{b: c.body}); f.next(); {
			if f.num == FieldResourceXResource && f.wire == TypeBytes {
				resource = f.body
			}
		}
		edited, changed := edit(nil, resource)
		if changed && resource == nil {
			body = AppendBytes(nil, FieldResourceXResource, edited)
		}
		for f := (scan{b: c.body}); f.next(); {
			if changed && f.num == FieldResourceXResource && f.wire == TypeBytes {
				f.body = edited
			}
			body = f.append(body)
		}
		any = any || changed
		out = AppendBytes(out, FieldRequestResource, body)
	}
	return out, any
}

// entropyEdit edits by the decisions of a byte string.
func entropyEdit(entropy []byte) func(dst, resource []byte) ([]byte, bool) {
	g := generator{entropy: entropy, strict: true}
	return func(dst, resource []byte) ([]byte, bool) {
		switch g.pick(5) {
		case 0:
			return addCluster(dst, resource)
		case 1:
			return dst, true
		case 2:
			return AppendStringAttribute(append(dst, resource...), 1, "big", strings.Repeat("v", g.pick(256)*100)), true
		case 3:
			return g.message(dst, msgResource, 20), true
		}
		return append(dst, "junk"...), false
	}
}

// editAndCompare holds EditResources against slowEdit.
func editAndCompare(t testing.TB, s Signal, r Request, entropy []byte) {
	sent := bytes.Clone(r)
	want, wantChanged := slowEdit(r, entropyEdit(entropy))
	got, changed := EditResources(make([]byte, 3, 100), r, entropyEdit(entropy))
	if !bytes.Equal(r, sent) {
		t.Fatal("the edit wrote to the request")
	}
	if changed != wantChanged || !bytes.Equal(got, want) {
		t.Fatalf("changed %v, want %v\ngot  %x\nwant %x", changed, wantChanged, got, want)
	}
	if !changed && len(r) > 0 && &got[0] != &r[0] {
		t.Fatal("unchanged, but not the request itself")
	}
	if _, info, err := Check(s, got, Limits{}); err != nil || info.Canonicalized || info.Items != Count(s, r) {
		t.Fatalf("after the edit: %v %+v", err, info)
	}
}
