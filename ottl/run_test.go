package ottl

import (
	"bytes"
	"testing"

	"github.com/sluiceio/sluice/wire"
)

func compiled(t testing.TB, statements ...string) *Program {
	t.Helper()
	p, faults := Compile(wire.Logs, []Block{{Context: "log", Statements: statements, Mode: Silent}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return p
}

// A part is a message of a request that statements did not name.
type part struct {
	number int
	bytes  []byte
}

// rest are all fields of a message but those with a number.
func rest(message []byte, but ...int) (out []part) {
next:
	for f := wire.MessageFields(message); f.Next(); {
		for _, n := range but {
			if f.Number() == n {
				continue next
			}
		}
		out = append(out, part{f.Number(), f.Framed()})
	}
	return out
}

func samePart(a, b []part) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].number != b[i].number || !bytes.Equal(a[i].bytes, b[i].bytes) {
			return false
		}
	}
	return true
}

// TestWhatNoStatementNamesStays: byte for byte, unknown fields and order included, at every level.
func TestWhatNoStatementNamesStays(t *testing.T) {
	for name, c := range map[string]struct {
		statement               string
		resource, record, scope []int // the fields that the statement may change
		entry                   string
	}{
		"attribute":           {`set(attributes["s"], "other")`, nil, nil, nil, "s"},
		"delete":              {`delete_key(attributes, "password")`, nil, nil, nil, "password"},
		"rewritten":           {`replace_all_patterns(attributes, "value", "hunter", "x")`, nil, nil, nil, "password"},
		"body":                {`set(body, 5)`, nil, []int{wire.FieldLogBody}, nil, ""},
		"severity":            {`set(severity_number, 1)`, nil, []int{wire.FieldLogSeverityNumber}, nil, ""},
		"resource":            {`set(resource.attributes["k"], 1)`, []int{wire.FieldResourceAttributes}, nil, nil, ""},
		"scope":               {`set(scope.name, "n")`, nil, nil, []int{wire.FieldScopeName}, ""},
		"keeps other entries": {`keep_keys(attributes, ["s", "http.response.status_code", "d", "b", "m"])`, nil, nil, nil, "password"},
	} {
		t.Run(name, func(t *testing.T) {
			in := sample(4)
			before := bytes.Clone(in)
			run := compiled(t, c.statement).Start(nil)
			defer run.Done()
			out, err := run.Over(in)
			if err != nil || bytes.Equal(in, out) {
				t.Fatalf("nothing changed, error %v", err)
			}
			if !bytes.Equal(in, before) {
				t.Fatal("the request was changed in place")
			}
			a, b := in.Resources(), out.Resources()
			a.Next()
			b.Next()
			if !samePart(rest(a.Bytes(), wire.FieldResourceXResource, wire.FieldResourceXScope), rest(b.Bytes(), wire.FieldResourceXResource, wire.FieldResourceXScope)) ||
				!samePart(rest(a.Resource(), c.resource...), rest(b.Resource(), c.resource...)) {
				t.Error("the resource differs")
			}
			sa, sb := a.Scopes(), b.Scopes()
			sa.Next()
			sb.Next()
			if !samePart(rest(sa.Scope(), c.scope...), rest(sb.Scope(), c.scope...)) {
				t.Error("the scope differs")
			}
			ia, ib := sa.Items(), sb.Items()
			for ia.Next() && ib.Next() {
				but := append([]int{wire.FieldLogAttributes}, c.record...)
				if !samePart(rest(ia.Bytes(), but...), rest(ib.Bytes(), but...)) {
					t.Error("a field differs")
				}
				if !samePart(entries(ia.Bytes(), c.entry), entries(ib.Bytes(), c.entry)) {
					t.Error("another attribute differs")
				}
			}
		})
	}
}

// entries are the attributes but one, in order.
func entries(record []byte, but string) (out []part) {
	for a := wire.Entries(record, wire.FieldLogAttributes<<3|wire.TypeBytes); a.Next(); {
		if string(a.Key()) != but {
			out = append(out, part{bytes: a.Bytes()})
		}
	}
	return out
}

// TestErrorsAreReportedOnceAMinute: each statement for itself, with how many there were.
func TestErrorsAreReportedOnceAMinute(t *testing.T) {
	p, faults := Compile(wire.Logs, []Block{{Context: "log", Mode: Ignore, Statements: []string{
		`set(time, "no time")`, `set(attributes["a"], HasPrefix(attributes["none"], "x"))`}}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	seen := map[string]int{}
	report := func(text string, err error, count int64) {
		seen[text]++
		if err == nil || count != 1 {
			t.Errorf("%s: %v, %d", text, err, count)
		}
	}
	for range 3 {
		run := p.Start(report)
		if _, err := run.Over(sample(5)); err != nil {
			t.Error(err)
		}
		run.Done()
	}
	if len(seen) != 2 || seen[`set(time, "no time")`] != 1 {
		t.Errorf("got %v", seen)
	}
	if n := p.passes[0].blocks[0].statements[0].failed.Load(); n != 14 {
		t.Errorf("%d errors wait to be reported, want 14", n)
	}
}

// TestBlocksShareAPassOnlyIfNoRecordSeesAnother.
func TestBlocksShareAPassOnlyIfNoRecordSeesAnother(t *testing.T) {
	b := func(s string) Block { return Block{Context: "log", Statements: []string{s}} }
	for want, blocks := range map[int][]Block{
		1: {b(`set(body, 1)`), b(`set(attributes["a"], resource.attributes["b"])`)},
		2: {b(`set(resource.attributes["a"], 1)`), b(`set(body, 1)`)},
		3: {b(`set(body, 1)`), {Context: "resource", Statements: []string{`set(attributes["a"], 1)`}}, b(`set(body, 2)`)},
	} {
		p, faults := Compile(wire.Logs, blocks)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if len(p.passes) != want {
			t.Errorf("%v: %d passes, want %d", blocks, len(p.passes), want)
		}
	}
}

// TestNearest: what is spelled alike is named.
func TestNearest(t *testing.T) {
	_, faults := Compile(wire.Logs, []Block{{Statements: []string{`delet_key(log.attributes, "a")`, `set(log.attributes["a"], Substr(log.body, 0, 1))`}}})
	if len(faults) != 2 {
		t.Fatal(faults)
	}
	if got := faults[0].Error(); got != `column 1: unknown editor delet_key; did you mean delete_key?, in: delet_key(log.attributes, "a")` {
		t.Error(got)
	}
}

// TestValuesDoNotGrowWithEveryRecord: each of the records takes what the one before left, and adds to it.
func TestValuesDoNotGrowWithEveryRecord(t *testing.T) {
	defer func(n int) { maxSize = n }(maxSize)
	maxSize = 1 << 16
	for _, s := range []string{
		`set(resource.attributes["x"], {"before": resource.attributes["x"]})`,
		`set(resource.attributes["x"], [resource.attributes["x"]])`,
		`set(resource.attributes, {"all": resource.attributes})`,
		`set(resource.attributes["service.name"], Concat([resource.attributes["service.name"], resource.attributes["service.name"]], ""))`,
		`set(scope.name, Concat([scope.name, scope.name], ""))`,
		`replace_all_patterns(resource.attributes, "value", "shop", "shopshop")`,
	} {
		run := compiled(t, s).Start(nil)
		out, err := run.Over(sample(40))
		if err != nil {
			t.Error(err)
		}
		if _, _, err := wire.Check(wire.Logs, out, wire.Limits{}); err != nil || len(out) > 40*1024+3*maxSize {
			t.Errorf("%s: %d bytes, %v", s, len(out), err)
		}
		run.Done()
	}
}
