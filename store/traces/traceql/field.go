package traceql

import "bytes"

// A Field is a value of a span, its resource or its trace.
type Field struct {
	Scope     Scope
	Intrinsic Intrinsic // with ScopeIntrinsic
	Name      string    // attribute key; for an intrinsic its short name
}

// A Scope is where an attribute is looked up.
type Scope uint8

// ScopeAny tries the span, then the resource.
const (
	ScopeAny Scope = iota
	ScopeSpan
	ScopeResource
	ScopeIntrinsic
)

// An Intrinsic is a value that every span or trace has.
type Intrinsic uint8

const (
	IntrinsicNone Intrinsic = iota
	Name
	StatusCode
	StatusMessage
	SpanKind
	Duration
	SpanID
	ParentID
	TraceID
	RootName
	RootService
	TraceDuration
)

// OfTrace reports whether the value belongs to the whole trace.
func (i Intrinsic) OfTrace() bool {
	return i == RootName || i == RootService || i == TraceDuration
}

func (i Intrinsic) ofRoot() bool { return i == RootName || i == RootService }

// intrinsics are all spellings, short forms first.
var intrinsics = []struct {
	text string
	id   Intrinsic
	typ  Kind
}{
	{"name", Name, KindString},
	{"span:name", Name, KindString},
	{"status", StatusCode, KindStatus},
	{"span:status", StatusCode, KindStatus},
	{"statusMessage", StatusMessage, KindString},
	{"span:statusMessage", StatusMessage, KindString},
	{"kind", SpanKind, KindSpanKind},
	{"span:kind", SpanKind, KindSpanKind},
	{"duration", Duration, KindDuration},
	{"span:duration", Duration, KindDuration},
	{"span:id", SpanID, KindString},
	{"span:parentID", ParentID, KindString},
	{"trace:id", TraceID, KindString},
	{"rootName", RootName, KindString},
	{"trace:rootName", RootName, KindString},
	{"rootServiceName", RootService, KindString},
	{"trace:rootService", RootService, KindString},
	{"traceDuration", TraceDuration, KindDuration},
	{"trace:duration", TraceDuration, KindDuration},
}

// IntrinsicNames lists all spellings.
func IntrinsicNames() []string {
	names := make([]string, len(intrinsics))
	for i, in := range intrinsics {
		names[i] = in.text
	}
	return names
}

func intrinsicField(text string) (Field, bool) {
	for _, in := range intrinsics {
		if in.text == text {
			return Field{Scope: ScopeIntrinsic, Intrinsic: in.id, Name: shortName(in.id)}, true
		}
	}
	return Field{}, false
}

func shortName(id Intrinsic) string {
	for _, in := range intrinsics {
		if in.id == id {
			return in.text
		}
	}
	return ""
}

// typ returns an intrinsic's type, KindNil for attributes.
func (f Field) typ() Kind {
	for _, in := range intrinsics {
		if f.Scope == ScopeIntrinsic && in.id == f.Intrinsic {
			return in.typ
		}
	}
	return KindNil
}

// asStored normalizes an id to the stored form: lower case, with the leading zeros that Tempo omits. Other values
// stay.
func (f Field) asStored(v Value) Value {
	digits := 0
	switch f.Intrinsic {
	case TraceID:
		digits = 32
	case SpanID, ParentID:
		digits = 16
	}
	if v.Kind != KindString || len(v.Str) == 0 || len(v.Str) > digits || len(bytes.Trim(v.Str, "0123456789abcdefABCDEF")) > 0 {
		return v
	}
	v.Str = append(bytes.Repeat([]byte("0"), digits-len(v.Str)), bytes.ToLower(v.Str)...)
	return v
}

// StatusText returns the name of an OTLP status code, or "unset".
func StatusText(code int32) string { return spelling(KindStatus, int64(code), "unset") }

// KindText returns the name of an OTLP span kind, or "unspecified".
func KindText(kind int32) string { return spelling(KindSpanKind, int64(kind), "unspecified") }

// keywords are the bare words, with OTLP's numbers.
var keywords = []struct {
	text  string
	value Value
}{
	{"error", Value{Kind: KindStatus, Int: 2}},
	{"ok", Value{Kind: KindStatus, Int: 1}},
	{"unset", Value{Kind: KindStatus, Int: 0}},
	{"unspecified", Value{Kind: KindSpanKind, Int: 0}},
	{"internal", Value{Kind: KindSpanKind, Int: 1}},
	{"server", Value{Kind: KindSpanKind, Int: 2}},
	{"client", Value{Kind: KindSpanKind, Int: 3}},
	{"producer", Value{Kind: KindSpanKind, Int: 4}},
	{"consumer", Value{Kind: KindSpanKind, Int: 5}},
	{"true", Value{Kind: KindBool, Int: 1}},
	{"false", Value{Kind: KindBool, Int: 0}},
	{"nil", Value{Kind: KindNil}},
}

// Keywords lists the values of status or kind.
func Keywords(i Intrinsic) []string {
	want := Field{Scope: ScopeIntrinsic, Intrinsic: i}.typ()
	var texts []string
	for _, k := range keywords {
		if k.value.Kind == want && (want == KindStatus || want == KindSpanKind) {
			texts = append(texts, k.text)
		}
	}
	return texts
}

func spelling(k Kind, n int64, unknown string) string {
	for _, w := range keywords {
		if w.value.Kind == k && w.value.Int == n {
			return w.text
		}
	}
	return unknown
}
