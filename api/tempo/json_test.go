package tempo

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/store/traces/tracestest"
	"github.com/sluiceio/sluice/wire"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// fullTraces has every field of a span set.
func fullTraces() ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.SetSchemaUrl("https://schema/1")
	putAll(rs.Resource().Attributes())
	ss := rs.ScopeSpans().AppendEmpty()
	ss.SetSchemaUrl("https://schema/2")
	ss.Scope().SetName("lib")
	ss.Scope().SetVersion("1.0")
	ss.Scope().SetDroppedAttributesCount(1)
	putAll(ss.Scope().Attributes())
	s := ss.Spans().AppendEmpty()
	s.SetTraceID(pcommon.TraceID{1, 2, 255})
	s.SetSpanID(pcommon.SpanID{3, 4})
	s.SetParentSpanID(pcommon.SpanID{5})
	s.TraceState().FromRaw("a=b,c=d")
	s.SetFlags(0x101)
	s.SetName("quote \" back \\ line \n tab \t bell \a del \x7f é 日本 \u2028 </script>")
	s.SetKind(ptrace.SpanKindConsumer)
	s.SetStartTimestamp(1)
	s.SetEndTimestamp(math.MaxInt64)
	putAll(s.Attributes())
	s.SetDroppedAttributesCount(2)
	s.SetDroppedEventsCount(3)
	s.SetDroppedLinksCount(math.MaxUint32)
	s.Status().SetCode(ptrace.StatusCodeError)
	s.Status().SetMessage("no")
	for range 2 {
		e := s.Events().AppendEmpty()
		e.SetName("event")
		e.SetTimestamp(7)
		e.SetDroppedAttributesCount(4)
		putAll(e.Attributes())
		l := s.Links().AppendEmpty()
		l.SetTraceID(pcommon.TraceID{9})
		l.SetSpanID(pcommon.SpanID{8})
		l.TraceState().FromRaw("x=y")
		l.SetFlags(1)
		l.SetDroppedAttributesCount(5)
		putAll(l.Attributes())
	}
	s = ss.Spans().AppendEmpty() // and one with hardly any
	s.SetTraceID(pcommon.TraceID{1})
	s.SetSpanID(pcommon.SpanID{3})
	s.SetEndTimestamp(1)
	td.ResourceSpans().AppendEmpty()
	return td
}

func putAll(m pcommon.Map) {
	m.PutStr("string", "x")
	m.PutStr("", "")
	m.PutInt("int", math.MinInt64)
	m.PutInt("zero", 0)
	m.PutDouble("double", -1.5e300)
	m.PutDouble("nan", math.NaN())
	m.PutDouble("inf", math.Inf(-1))
	m.PutBool("bool", false)
	m.PutEmpty("empty")
	m.PutEmptyBytes("bytes").FromRaw([]byte{0, 255, 1})
	list := m.PutEmptySlice("list")
	list.AppendEmpty().SetStr("a")
	list.AppendEmpty().SetEmptyMap().PutInt("n", 1)
	list.AppendEmpty().SetEmptySlice()
	m.PutEmptyMap("map").PutEmptyMap("inner").PutStr("k", "v")
}

// TestJSONAgainstProtojson reads what is written with protobuf's own reader: it is the message that the bytes are.
func TestJSONAgainstProtojson(t *testing.T) {
	r := tracestest.BatchOf(t, fullTraces()).Request
	compareWithProtojson(t, r)
}

func compareWithProtojson(t testing.TB, r wire.Request) {
	t.Helper()
	var want, got tracev1.TracesData
	if err := proto.Unmarshal(r, &want); err != nil {
		t.Fatal(err)
	}
	w := jsonWriter{}
	w.open('{')
	w.key("resourceSpans")
	w.resourceSpans(r)
	w.close('}')
	if !json.Valid(w.b) {
		t.Fatalf("not JSON: %s", w.b)
	}
	if err := protojson.Unmarshal(w.b, &got); err != nil {
		t.Fatalf("protojson: %v\n%s", err, w.b)
	}
	a, err1 := protojson.MarshalOptions{}.Marshal(&want)
	b, err2 := protojson.MarshalOptions{}.Marshal(&got)
	if err1 != nil || err2 != nil || !equalJSON(t, a, b) {
		t.Fatalf("%v %v\n got %s\nwant %s", err1, err2, b, a)
	}
}

// equalJSON compares by value; protojson varies its spaces on purpose.
func equalJSON(t testing.TB, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		t.Fatal("not JSON")
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

func TestJSONOfBrokenUTF8(t *testing.T) {
	var w jsonWriter
	w.quoted([]byte("a\xffb\xc3"))
	if got := string(w.b); got != "\"a\ufffdb\ufffd\"" {
		t.Errorf("wrote %s", got)
	}
}

func TestUnknownEnumsAreNumbers(t *testing.T) {
	var w jsonWriter
	w.open('{')
	w.enum("kind", 9, kindNames)
	w.enum("code", -1, codeNames)
	w.close('}')
	if got := string(w.b); got != `{"kind":9,"code":-1}` || strings.Contains(got, "SPAN") {
		t.Errorf("wrote %s", got)
	}
}
