package wire

import (
	"math"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// logBody returns the value as it reads from a request that pdata encoded.
func logBody(t *testing.T, v pcommon.Value) Value {
	ld := plog.NewLogs()
	v.CopyTo(ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body())
	rs := mustCheck(t, Logs, marshal(t, plogotlp.NewExportRequestFromLogs(ld))).Resources()
	rs.Next()
	sc := rs.Scopes()
	sc.Next()
	it := sc.Items()
	it.Next()
	return ParseLog(it.Bytes()).Body
}

// The text of every kind is that of pdata, also where JSON has its corners.
func TestAppendText(t *testing.T) {
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1.5, 1e20, 1e21, -1e21, 1e-6, 1e-7, 123456789.123, math.MaxFloat64,
		math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1)} {
		v := pcommon.NewValueDouble(f)
		inside := pcommon.NewValueMap()
		inside.Map().PutStr("a", "x")
		inside.Map().PutDouble("f", f)
		for _, v := range []pcommon.Value{v, inside} {
			if got := string(logBody(t, v).AppendText([]byte("> "))); got != "> "+v.AsString() {
				t.Errorf("got %q, want %q", got, v.AsString())
			}
		}
	}
	for _, text := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "<&>", "\u2028\u2029\u2027", "é€😀", "\ufffd"} {
		v := pcommon.NewValueSlice()
		v.Slice().AppendEmpty().SetStr(text)
		v.Slice().AppendEmpty().SetEmptyMap().PutStr(text, text)
		for _, v := range []pcommon.Value{v, pcommon.NewValueStr(text)} {
			if got := string(logBody(t, v).AppendText(nil)); got != v.AsString() {
				t.Errorf("got %q, want %q", got, v.AsString())
			}
		}
	}
}

// Keys are sorted by bytes, and the last of equal keys wins, as in the map that pdata makes.
func TestAppendTextKeys(t *testing.T) {
	var entries []byte
	for i, key := range []string{"b", "a", "b", "é", "Z", "ab", "a"} {
		entries = AppendIntAttribute(entries, FieldMapValues, key, int64(i))
	}
	v := ParseValue(AppendBytes(nil, FieldValueMap, entries))
	if got, want := string(v.AppendText(nil)), `{"Z":4,"a":6,"ab":5,"b":2,"é":3}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An accessor for another kind gives the zero value.
func TestValueOfAnotherKind(t *testing.T) {
	for _, v := range []Value{{}, ParseValue(AppendString(nil, FieldValueString, "x")), ParseValue(AppendUint(nil, FieldValueInt, 5))} {
		if v.Kind() != ValueString && v.Str() != nil || v.Bool() || v.Kind() != ValueInt && v.Int() != 0 || v.Double() != 0 ||
			v.Bytes() != nil {
			t.Errorf("kind %d reads as another", v.Kind())
		}
		a, m := v.Array(), v.Map()
		if a.Next() || m.Next() {
			t.Errorf("kind %d has elements", v.Kind())
		}
	}
}

func TestFind(t *testing.T) {
	var b []byte
	b = AppendIntAttribute(b, FieldLogAttributes, "k", 1)
	b = AppendUint(b, FieldLogDroppedAttributes, 3)
	b = AppendIntAttribute(b, FieldLogAttributes, "other", 2)
	b = AppendIntAttribute(b, FieldLogAttributes, "k", 3)
	b = AppendBytes(b, FieldLogAttributes, AppendString(nil, FieldKeyValueKey, "no value"))
	l := ParseLog(b)
	if v, ok := l.Attributes().Find("k"); !ok || v.Int() != 1 {
		t.Error("the first of equal keys is not found:", v.Int(), ok)
	}
	if v, ok := l.Attributes().Find("no value"); !ok || v.Kind() != ValueEmpty {
		t.Error("an attribute without a value is not found")
	}
	if _, ok := l.Attributes().Find("K"); ok {
		t.Error("found what is not there")
	}
	a := l.Attributes()
	a.Next()
	if v, ok := a.Find("k"); !ok || v.Int() != 3 || string(a.Key()) != "k" {
		t.Error("Find does not go on from the cursor, or moves it")
	}
}

// Bytes and Range give what stands in the request.
func TestBytesOfCursors(t *testing.T) {
	r := Request(asm(t, `9: 1 1: { 2: { 2: { 11: { 2: "e" } 13: { 3: "l" } 9: { 1: "k" } } } } 1: { 3: "u" }`))
	rs := r.Resources()
	rs.Next()
	if start, end := rs.Range(); start != 2 || string(r[start:end]) != string(asm(t, `1: { 2: { 2: { 11: { 2: "e" } 13: { 3: "l" } 9: { 1: "k" } } } }`)) {
		t.Errorf("Range %d %d", start, end)
	}
	sc := rs.Scopes()
	sc.Next()
	it := sc.Items()
	it.Next()
	s := ParseSpan(it.Bytes())
	es, ls, as := s.Events(), s.Links(), s.Attributes()
	if es.Next() && ls.Next() && as.Next() {
		if string(es.Bytes()) != "\x12\x01e" || string(ls.Bytes()) != "\x1a\x01l" || string(as.Bytes()) != "\x0a\x01k" {
			t.Errorf("%x %x %x", es.Bytes(), ls.Bytes(), as.Bytes())
		}
	} else {
		t.Error("nothing there")
	}
	rs.Next()
	if string(rs.Bytes()) != "\x1a\x01u" || string(rs.SchemaURL()) != "u" || rs.Resource() != nil || rs.Next() {
		t.Errorf("second resource %x", rs.Bytes())
	}
	// Views are capped: appending to one does not write into the request.
	sent := string(r)
	_ = append(s.Name, "overwritten"...)
	_ = append(es.Bytes(), "overwritten"...)
	_ = append(as.Key(), "overwritten"...)
	if string(r) != sent {
		t.Error("appending to a view wrote to the request")
	}
}

func TestMessageFields(t *testing.T) {
	body := asm(t, `1: { 1: "k" 2: { 1: "v" } } 2: 5 300: i64 7 3: "x"`)
	var numbers []int
	var framed []byte
	for f := MessageFields(body); f.Next(); {
		numbers = append(numbers, f.Number())
		framed = append(framed, f.Framed()...)
		switch f.Number() {
		case 1:
			if k, v := ParseKeyValue(f.Body()); string(k) != "k" || string(v.Str()) != "v" {
				t.Errorf("%q %q", k, v.Str())
			}
		case 3:
			if string(f.Body()) != "x" {
				t.Errorf("%q", f.Body())
			}
		}
	}
	if len(numbers) != 4 || numbers[2] != 300 || string(framed) != string(body) {
		t.Error(numbers)
	}
}

func TestNames(t *testing.T) {
	if Metrics.String() != "metrics" || Logs.String() != "logs" || Traces.String() != "traces" || Signal(9).String() != "unknown" {
		t.Error("signals")
	}
	want := []string{"none", "gauge", "sum", "histogram", "exponential histogram", "summary"}
	for i, name := range want {
		if MetricType(i).String() != name {
			t.Error(name)
		}
	}
}

func TestNumberValues(t *testing.T) {
	p := ParseNumberPoint(AppendFixed64(nil, FieldNumberInt, uint64(1<<63+5)))
	q := ParseNumberPoint(AppendDouble(nil, FieldNumberDouble, 2.5))
	e := ParseExemplar(AppendFixed64(nil, FieldExemplarInt, 7))
	f := ParseExemplar(AppendDouble(nil, FieldExemplarDouble, 0.5))
	if p.Value() != float64(math.MinInt64+5) || q.Value() != 2.5 || e.Value() != 7 || f.Value() != 0.5 {
		t.Error(p.Value(), q.Value(), e.Value(), f.Value())
	}
}
