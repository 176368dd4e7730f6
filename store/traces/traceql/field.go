package traceql

import "bytes"

// A Field names a value of a span, its resource or its trace.
type Field struct {
	Scope     Scope
	Intrinsic Intrinsic // with ScopeIntrinsic
	Name      string    // attribute key; for an intrinsic its short name
}

// A Scope says where an attribute is looked for.
type Scope uint8

// The scopes. An attribute without a scope is looked for in the span first, then in the resource.
const (
	ScopeAny Scope = iota
	ScopeSpan
	ScopeResource
	ScopeIntrinsic
)

// An Intrinsic is a value every span or trace has, attribute or not.
type Intrinsic uint8

// The intrinsics that are read.
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

// OfTrace reports whether the value belongs to the whole trace and is unknown as long as only a part of it is seen.
func (i Intrinsic) OfTrace() bool {
	return i == RootName || i == RootService || i == TraceDuration
}

// ofRoot reports whether the value comes from the root span.
func (i Intrinsic) ofRoot() bool { return i == RootName || i == RootService }

// intrinsics are all spellings, the short form first where there are two.
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

// IntrinsicNames lists every spelling of every intrinsic, for the tag name endpoints.
func IntrinsicNames() []string {
	names := make([]string, len(intrinsics))
	for i, in := range intrinsics {
		names[i] = in.text
	}
	return names
}

// intrinsicField finds an intrinsic by one of its spellings.
func intrinsicField(text string) (Field, bool) {
	for _, in := range intrinsics {
		if in.text == text {
			return Field{Scope: ScopeIntrinsic, Intrinsic: in.id, Name: shortName(in.id)}, true
		}
	}
	return Field{}, false
}

// shortName returns the first spelling, under which a value is reported.
func shortName(id Intrinsic) string {
	for _, in := range intrinsics {
		if in.id == id {
			return in.text
		}
	}
	return ""
}

// typ returns the type of an intrinsic, KindNil for attributes, whose type each span decides.
func (f Field) typ() Kind {
	for _, in := range intrinsics {
		if f.Scope == ScopeIntrinsic && in.id == f.Intrinsic {
			return in.typ
		}
	}
	return KindNil
}

// asStored gives an id that a field is compared with the form in which spans have it: lower case, with the leading
// zeros that Tempo leaves out. What is no id stays as it is.
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

// StatusText returns the spelling of an OTLP status code, "unset" for codes that OTLP does not have.
func StatusText(code int32) string { return spelling(KindStatus, int64(code), "unset") }

// KindText returns the spelling of an OTLP span kind, "unspecified" for kinds that OTLP does not have.
func KindText(kind int32) string { return spelling(KindSpanKind, int64(kind), "unspecified") }

// keywords are the values that are written as a bare word. The numbers are OTLP's.
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

// Keywords lists the spellings of the values of status or kind, for the tag value endpoints.
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
