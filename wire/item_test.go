package wire

import (
	"bytes"
	"testing"
)

// What an Item shows beside its own bytes, whichever way round the fields come.
func TestItemSurroundings(t *testing.T) {
	r := Request(asm(t, `
		1: { 2: { 2: { 1: "m" 5: { 1: { 2: i64 1 } } } 1: { 1: "s" } 2: { 1: "n" 9: { 2: 1 1: { 10: 1 } 1: { } } } } 1: { 2: 7 } }
		1: { 2: { 2: { 7: { 1: { } } } 2: { 10: { 1: { } } } 2: { 11: { 1: { } } } 2: { 1: "without points" } } }`))
	var types []MetricType
	seen := 0
	(&Editor{}).EditItems(nil, Metrics, r, func(it *Item) {
		types = append(types, it.MetricType())
		if seen < 3 {
			if !bytes.Equal(it.Resource(), asm(t, `2: 7`)) || string(ParseScope(it.Scope()).Name) != "s" {
				t.Errorf("item %d: resource %x, scope %x", seen, it.Resource(), it.Scope())
			}
			if want := []string{"m", "n", "n"}[seen]; string(ParseMetric(it.Metric()).Name) != want {
				t.Errorf("item %d: metric %x", seen, it.Metric())
			}
		} else if it.Resource() != nil || it.Scope() != nil {
			t.Errorf("item %d: resource %x, scope %x", seen, it.Resource(), it.Scope())
		}
		seen++
	})
	want := []MetricType{MetricGauge, MetricHistogram, MetricHistogram, MetricSum, MetricExponentialHistogram, MetricSummary}
	if len(types) != len(want) {
		t.Fatal(types)
	}
	for i := range want {
		if types[i] != want[i] {
			t.Errorf("item %d is of a %v", i, types[i])
		}
	}
	(&Editor{}).EditItems(nil, Logs, benchLogs(t), func(it *Item) {
		if it.Metric() != nil || it.MetricType() != MetricNone {
			t.Fatal("a log record in a metric")
		}
	})
}

// A reader sees the edits made before, and what it holds already does not change under it.
func TestItemShowsItsEdits(t *testing.T) {
	r := Request(asm(t, `1: { 2: { 2: { 3: "INFO" 6: { 1: "a" 2: { 1: "old" } } 6: { 1: "b" 2: { 3: 7 } } 9: "0123456789abcdef" } } }`))
	got := (&Editor{}).EditItems(nil, Logs, r, func(it *Item) {
		was, _ := it.Attribute("a")
		before := it.Attributes()
		it.SetAttribute("a", StringValue("new"))
		if v, ok := it.Attribute("a"); !ok || string(v.Str()) != "new" || string(was.Str()) != "old" {
			t.Errorf("a is %q, was %q", v.Str(), was.Str())
		}
		if v, ok := it.Attributes().Find("a"); !ok || string(v.Str()) != "new" {
			t.Error("the cursor does not see the edit")
		}
		if v, _ := before.Find("a"); string(v.Str()) != "old" {
			t.Error("the edit is seen by a cursor from before")
		}
		for range 100 { // scratch grows out of its array
			it.SetAttribute("c", StringValue(bytes.Repeat([]byte("c"), len(it.Bytes()))))
			it.SetAttribute("c", StringValue("0"))
		}
		if v, _ := before.Find("b"); v.Int() != 7 || string(was.Str()) != "old" {
			t.Error("a view has changed")
		}
		if !it.RenameAttribute("c", "d") || it.RenameAttribute("c", "e") || !it.DeleteAttribute("b") || it.DeleteAttribute("b") {
			t.Error("wrong about what is there")
		}
		if _, ok := it.Attribute("b"); ok {
			t.Error("b is still there")
		}
		it.SetField(AppendString(nil, FieldLogSeverityText, "WARNING"))
		it.SetField(AppendUint(nil, FieldLogSeverityNumber, 13))
		it.SetField(AppendValue(nil, FieldLogBody, DoubleValue(1.5)))
		l := ParseLog(it.Bytes())
		if string(l.SeverityText) != "WARNING" || l.SeverityNumber != 13 || l.Body.Double() != 1.5 || len(l.TraceID) != 16 {
			t.Errorf("%+v", l)
		}
	})
	want := asm(t, `1: { 2: { 2: { 3: "WARNING" 6: { 1: "a" 2: { 1: "new" } } 6: { 1: "d" 2: { 1: "0" } } 9: "0123456789abcdef" 2: 13 5: { raw 21000000000000f83f } } } }`)
	if !bytes.Equal(got.Request, want) {
		t.Errorf("\ngot  %x\nwant %x", got.Request, want)
	}
}

// A request that nothing touches is the same slice; in the steady state a pass allocates nothing.
func TestEditItemsMemory(t *testing.T) {
	e := &Editor{}
	edit := mustEdit(t,
		AttributeOperation{Action: RenameAttribute, From: "http.request.method", Key: "http.method"},
		AttributeOperation{Action: UpsertAttribute, Key: "zone", Value: StringValue("a")},
		AttributeOperation{Action: DeleteAttribute, Key: "client.address"})
	for s, r := range map[Signal]Request{Metrics: benchMetrics(t), Logs: benchLogs(t), Traces: benchTraces(t)} {
		buf := make([]byte, 0, 2*len(r))
		pass := func(f func(*Item)) func() {
			return func() {
				if got := e.EditItems(buf, s, r, f); len(got.Request) == 0 {
					t.Fatal("nothing is left")
				}
			}
		}
		got := e.EditItems(buf, s, r, func(it *Item) {
			it.Attribute("url.path")
			it.DeleteAttribute("none")
			it.RenameAttribute("none", "any")
			v, _ := it.Attribute("url.path")
			it.SetAttribute("url.path", v)
		})
		if got.Changed || &got.Request[0] != &r[0] || got.Removed != 0 || got.Kept != nil {
			t.Errorf("%v: not the request itself: %v", s, got.Kept)
		}
		i := 0
		for name, f := range map[string]func(){
			"edit": pass(edit.Apply),
			"remove": pass(func(it *Item) {
				if i++; i%3 == 0 {
					it.Remove()
				}
			}),
			"set": pass(func(it *Item) {
				i++
				it.SetAttribute("int", IntValue(int64(i)))
				it.SetAttribute("double", DoubleValue(float64(i)))
				it.SetAttribute("bool", BoolValue(i%2 == 0))
				it.SetAttribute("text", StringValue("constant"))
				it.SetAttribute("bytes", StringValue(it.Resource()[2:9]))
			}),
		} {
			if n := testing.AllocsPerRun(5, f); n > 0 {
				t.Errorf("%v, %s: %v allocations", s, name, n)
			}
		}
	}
}

// All items gone: what remains of a request is what is not theirs.
func TestEditItemsRemoveAll(t *testing.T) {
	remove := func(it *Item) {
		it.SetAttribute("k", BoolValue(true))
		it.Remove()
	}
	r := Request(asm(t, `99: 1 1: { 1: { 2: 1 } 2: { 2: { } 2: { } } } 98: 2 1: { 3: "empty from the start" 2: { } } 1: { 2: { } 2: { 2: { } } } 97: 3`))
	got := (&Editor{}).EditItems([]byte("prefix"), Logs, r, remove)
	if want := asm(t, `99: 1 98: 2 1: { 3: "empty from the start" 2: { } } 1: { 2: { } } 97: 3`); !bytes.Equal(got.Request, want) || got.Removed != 3 {
		t.Errorf("\ngot  %x\nwant %x", got.Request, want)
	}
	got = (&Editor{}).EditItems(nil, Traces, benchTraces(t), remove)
	if len(got.Request) != 0 || got.Removed != 1000 || !got.Changed || got.Kept.Old(0) != -1 {
		t.Errorf("%d bytes, %d removed", len(got.Request), got.Removed)
	}
	if got := (&Editor{}).EditItems(nil, 0, r, remove); got.Changed || &got.Request[0] != &r[0] {
		t.Error("an unknown signal has items")
	}
}
