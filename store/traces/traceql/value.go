package traceql

import (
	"bytes"
	"cmp"
	"regexp"
	"strconv"
)

// A Kind is the type of a Value.
type Kind uint8

// KindOther (maps, bytes) compares with nil only.
const (
	KindNil Kind = iota
	KindUnknown
	KindString
	KindInt
	KindFloat
	KindBool
	KindDuration
	KindStatus
	KindSpanKind
	KindArray
	KindOther
)

// A Value is a field's value or a literal.
type Value struct {
	Kind  Kind
	Int   int64   // KindInt; ns of KindDuration; 0 or 1 of KindBool; OTLP's number of KindStatus and KindSpanKind
	Float float64 // KindFloat
	Str   []byte  // KindString

	// Each visits a KindArray until yield returns false.
	Each func(yield func(Value) bool)
}

// numeric includes durations, which compare in ns as in Tempo.
func (v Value) numeric() bool {
	return v.Kind == KindInt || v.Kind == KindFloat || v.Kind == KindDuration
}

// AppendText appends the value as text: decimal numbers, durations in ns, keywords.
func (v Value) AppendText(dst []byte) []byte {
	switch v.Kind {
	case KindString:
		return append(dst, v.Str...)
	case KindInt, KindDuration:
		return strconv.AppendInt(dst, v.Int, 10)
	case KindFloat:
		return strconv.AppendFloat(dst, v.Float, 'g', -1, 64)
	case KindBool:
		return strconv.AppendBool(dst, v.Int != 0)
	case KindStatus:
		return append(dst, StatusText(int32(v.Int))...)
	case KindSpanKind:
		return append(dst, KindText(int32(v.Int))...)
	}
	return dst
}

type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opRegex
	opNotRegex
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opContains // case-insensitive substring of the value's text: the tags parameter, not TraceQL
)

var operators = map[string]operator{
	"=": opEqual, "!=": opNotEqual, "=~": opRegex, "!~": opNotRegex,
	"<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual,
}

// negative: an array matches only if all elements do.
func (o operator) negative() bool { return o == opNotEqual || o == opNotRegex }

// ordering reports whether values must have an order.
func (o operator) ordering() bool { return o >= opLess && o <= opGreaterEqual }

// A literal is the right side of a comparison.
type literal struct {
	Value
	re *regexp.Regexp // opRegex, opNotRegex: anchored at both ends
}

// holds compares v with the literal. Another type matches nothing, not even !=; nor does a missing value, except for
// nil.
func (o operator) holds(v Value, l *literal) bool {
	if l.Kind == KindNil {
		return (v.Kind == KindNil) == (o == opEqual)
	}
	switch {
	case v.Kind == KindArray:
		return o.holdsArray(v, l)
	case o == opContains:
		var text [64]byte
		return v.Kind != KindNil && bytes.Contains(bytes.ToLower(v.AppendText(text[:0])), l.Str)
	case v.Kind == KindString && l.Kind == KindString:
		return o.holdsString(v.Str, l)
	case v.numeric() && l.numeric():
		return o.wants(compareNumbers(v, l.Value))
	case v.Kind == l.Kind && (v.Kind == KindBool || v.Kind == KindStatus || v.Kind == KindSpanKind):
		return o.wants(cmp.Compare(v.Int, l.Int))
	}
	return false
}

func (o operator) holdsString(s []byte, l *literal) bool {
	switch o {
	case opRegex:
		return l.re.Match(s)
	case opNotRegex:
		return !l.re.Match(s)
	}
	return o.wants(bytes.Compare(s, l.Str))
}

// holdsArray: one element must match, or all if negative.
func (o operator) holdsArray(v Value, l *literal) bool {
	found, all := false, true
	v.Each(func(e Value) bool {
		if e.Kind != KindArray && o.holds(e, l) {
			found = true
			return o.negative()
		}
		all = false
		return !o.negative()
	})
	return found && (all || !o.negative())
}

func (o operator) wants(c int) bool {
	switch o {
	case opEqual:
		return c == 0
	case opNotEqual:
		return c != 0
	case opLess:
		return c < 0
	case opLessEqual:
		return c <= 0
	case opGreater:
		return c > 0
	case opGreaterEqual:
		return c >= 0
	}
	return false
}

// compareNumbers compares integers exactly, others as floats.
func compareNumbers(a, b Value) int {
	if a.Kind != KindFloat && b.Kind != KindFloat {
		return cmp.Compare(a.Int, b.Int)
	}
	return cmp.Compare(a.asFloat(), b.asFloat())
}

func (v Value) asFloat() float64 {
	if v.Kind == KindFloat {
		return v.Float
	}
	return float64(v.Int)
}
