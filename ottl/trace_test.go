package ottl

import (
	"bytes"
	"errors"
	"testing"

	"github.com/sluiceio/sluice/wire"
)

// TestTraceChangesNothing: a run that is looked at has the result of one that is not, and every statement and condition is
// told, also the one that fails.
func TestTraceChangesNothing(t *testing.T) {
	blocks := []Block{
		{Context: "resource", Conditions: []string{`attributes["service.name"] != nil`}, Statements: []string{`set(attributes["a"], "b")`}},
		{Context: "scope", Statements: []string{`set(name, "s")`}},
		{Context: "log", Statements: []string{`set(attributes["n"], Len(body))`, `set(time, body)`, `set(body, "x") where attributes["n"] > 100`, `delete_key(resource.attributes, "a")`}},
	}
	request := sample(3)
	run := func(trace func(Step)) wire.Request {
		p, faults := Compile(wire.Logs, blocks)
		if faults != nil {
			t.Fatal(faults)
		}
		p.Trace(trace)
		r := p.Start(nil)
		defer r.Done()
		out, err := r.Over(request)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(out)
	}
	var steps []Step
	plain, traced := run(nil), run(func(s Step) { steps = append(steps, s) })
	if !bytes.Equal(plain, traced) {
		t.Error("the trace changes the result")
	}
	failed, held := 0, 0
	for _, s := range steps {
		if s.Err != nil {
			failed++
		}
		if s.Held {
			held++
		}
		if _, _, err := wire.Check(wire.Logs, s.After, wire.Limits{}); err != nil {
			t.Errorf("%s: the record is no request: %v", s.Text, err)
		}
	}
	if failed != 3 {
		t.Errorf("%d statements failed, want 3 (set(time, body) of each record)", failed)
	}
	t.Logf("%d steps, %d held", len(steps), held)
}

// TestTraceOfAFilter: conditions are told until one holds.
func TestTraceOfAFilter(t *testing.T) {
	f, faults := CompileFilter(wire.Logs, []Block{{Context: "log", Conditions: []string{`body == "never"`, `body[0] == 1`, `body != nil`, `body == nil`}}})
	if faults != nil {
		t.Fatal(faults)
	}
	var told []string
	var failed error
	f.Trace(func(s Step) {
		told, failed = append(told, s.Text), errors.Join(failed, s.Err)
		if !s.Condition || s.Held != (s.Text == `body != nil`) {
			t.Errorf("%+v", s)
		}
	})
	r := f.Start(nil)
	defer r.Done()
	if done, err := r.Over(sample(1)); err != nil || done.Removed != 1 || len(told) != 3 || failed == nil {
		t.Errorf("removed %d, told %q, error %v", done.Removed, told, err)
	}
}
