package ottl

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/wire"
)

// failing is the error of a statement over records whose attribute "password" is "hunter2".
func failing(t *testing.T, statement string) string {
	t.Helper()
	p, faults := Compile(wire.Logs, []Block{{Context: "log", Statements: []string{statement}, Mode: Propagate}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	run := p.Start(nil)
	defer run.Done()
	_, err := run.Over(sample(1))
	if err == nil {
		t.Fatalf("%s: no error", statement)
	}
	return err.Error()
}

func TestErrorsDoNotShowValues(t *testing.T) {
	for _, statement := range []string{
		`set(severity_number, Double(attributes["password"]))`,
		`set(time, Time(attributes["password"], "%Y"))`,
		`set(time, Now() + Duration(attributes["password"]))`,
		`set(attributes["x"], true) where IsMatch("a", Concat(["(", attributes["password"]], ""))`,
		`set(attributes["x"], ParseJSON(attributes["password"]))`,
		`set(attributes["x"], ParseKeyValue(attributes["password"]))`,
		`merge_maps(attributes, ExtractPatterns(attributes["password"], Concat(["(", attributes["password"]], "")), "upsert")`,
	} {
		if err := failing(t, statement); strings.Contains(err, "hunter") {
			t.Errorf("%s: %s", statement, err)
		}
	}
}

// TestTimesOutOfRange: a time that nanoseconds since 1970 cannot hold is an error and not another time.
func TestTimesOutOfRange(t *testing.T) {
	for _, statement := range []string{
		`set(time, Time("0001-01-01", "%Y-%m-%d"))`,
		`set(time, Time("9999-12-31", "%Y-%m-%d"))`,
		`set(time, Unix(253402300799))`,
		`set(time, Unix(9223372036854775807))`,
	} {
		if err := failing(t, statement); !strings.Contains(err, "outside") {
			t.Errorf("%s: %s", statement, err)
		}
	}
}

// TestManyKeys: what a statement costs grows with the keys and not with their square.
func TestManyKeys(t *testing.T) {
	const n = 50_000
	resource, mark := wire.BeginMessage(nil, wire.FieldRequestResource)
	scope, inner := wire.BeginMessage(resource, wire.FieldResourceXScope)
	record, item := wire.BeginMessage(scope, wire.FieldScopeXItem)
	var pairs strings.Builder
	for i := range n {
		key := fmt.Sprintf("k%d", i)
		record = wire.AppendStringAttribute(record, wire.FieldLogAttributes, key, "v")
		fmt.Fprintf(&pairs, "p%s=v ", key)
	}
	record = wire.AppendStringAttribute(record, wire.FieldLogAttributes, "pairs", strings.TrimSpace(pairs.String()))
	request := wire.Request(wire.EndMessage(wire.EndMessage(wire.EndMessage(record, item), inner), mark))
	for _, statement := range []string{
		`merge_maps(attributes, attributes, "upsert")`,
		`merge_maps(attributes, ParseKeyValue(attributes["pairs"]), "insert")`,
		`replace_all_patterns(attributes, "key", "k", "K")`,
		`replace_all_patterns(attributes, "key", "k.*", "same")`,
	} {
		begun := time.Now()
		run := compiled(t, statement).Start(nil)
		if _, err := run.Over(request); err != nil {
			t.Error(err)
		}
		run.Done()
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: %s", statement, took)
		}
	}
}

// TestWhatIsTooLargeReplacesNothing: neither a value that is there, nor by an empty one.
func TestWhatIsTooLargeReplacesNothing(t *testing.T) {
	defer func(n int) { maxSize = n }(maxSize)
	maxSize = 20
	deep := strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)
	for _, value := range []string{`Concat([attributes["password"], "012345678901234567890"], "")`, deep} {
		for _, target := range []string{`attributes["password"]`, `attributes["new"]`, "body", `attributes["m"]`, `cache["x"]`} {
			p, faults := Compile(wire.Logs, []Block{{Context: "log", Statements: []string{`set(cache["x"], "there")`, "set(" + target + ", " + value + ")"}, Mode: Silent}})
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			in := sample(1)
			run := p.Start(nil)
			if out, err := run.Over(in); err != nil || string(out) != string(in) {
				t.Errorf("set(%s, %.30s): changed, error %v", target, value, err)
			}
			run.Done()
		}
	}
}
