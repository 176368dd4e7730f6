package wire

import (
	"encoding/binary"
	"math"
)

// A ValueKind is the member of AnyValue that is set.
type ValueKind uint8

// A string table index, used only by profiles, is ValueEmpty, as in pdata.
const (
	ValueEmpty ValueKind = iota
	ValueString
	ValueBool
	ValueInt
	ValueDouble
	ValueArray
	ValueMap
	ValueBytes
)

// A Value is a view of an AnyValue. Accessors return zero for another kind. It is four words, the most that fit in
// registers, so numbers are decoded on access.
type Value struct {
	b    []byte // payload of the member: of a number its encoding
	kind ValueKind
}

// ParseValue reads an AnyValue body.
func ParseValue(body []byte) Value { return parseValue(body) }

func parseValue(b []byte) Value {
	if n := len(b); n >= 2 && b[0] == FieldValueString<<3|TypeBytes && b[1] < 0x80 && int(b[1]) == n-2 {
		return Value{b[2:], ValueString}
	}
	for pos := 0; pos < len(b); {
		start := pos + 1
		switch b[pos] {
		case FieldValueString<<3 | TypeBytes:
			s, _ := view(b, start)
			return Value{s, ValueString}
		case FieldValueBool<<3 | TypeVarint:
			return Value{b[start:skip(b, pos)], ValueBool}
		case FieldValueInt<<3 | TypeVarint:
			return Value{b[start:skip(b, pos)], ValueInt}
		case FieldValueDouble<<3 | TypeFixed64:
			return Value{b[start:skip(b, pos)], ValueDouble}
		case FieldValueArray<<3 | TypeBytes:
			s, _ := view(b, start)
			return Value{s, ValueArray}
		case FieldValueMap<<3 | TypeBytes:
			s, _ := view(b, start)
			return Value{s, ValueMap}
		case FieldValueBytes<<3 | TypeBytes:
			s, _ := view(b, start)
			return Value{s, ValueBytes}
		}
		pos = skip(b, pos)
	}
	return Value{}
}

// Kind returns the kind.
func (v Value) Kind() ValueKind { return v.kind }

// Str returns the string.
func (v Value) Str() []byte {
	if v.kind != ValueString {
		return nil
	}
	return v.b
}

// Bool returns the boolean.
func (v Value) Bool() bool {
	if v.kind != ValueBool {
		return false
	}
	n, _ := uvarint(v.b, 0)
	return n != 0
}

// Int returns the integer.
func (v Value) Int() int64 {
	if v.kind != ValueInt {
		return 0
	}
	n, _ := uvarint(v.b, 0)
	return int64(n)
}

// Double returns the float64.
func (v Value) Double() float64 {
	if v.kind != ValueDouble {
		return 0
	}
	n, _ := fixed64(v.b, 0)
	return math.Float64frombits(n)
}

// Bytes returns the byte string.
func (v Value) Bytes() []byte {
	if v.kind != ValueBytes {
		return nil
	}
	return v.b
}

// Array returns a cursor over the elements.
func (v Value) Array() Values {
	if v.kind != ValueArray {
		return Values{}
	}
	return Values{list{b: v.b, tag: FieldArrayValues<<3 | TypeBytes}}
}

// Map returns a cursor over the entries.
func (v Value) Map() Attributes {
	if v.kind != ValueMap {
		return Attributes{}
	}
	return attributes(v.b, FieldMapValues)
}

// Values walks the elements of an array value.
type Values struct{ list }

// Next moves to the next element.
func (c *Values) Next() bool { return c.next() }

// Value returns the current element.
func (c *Values) Value() Value { return parseValue(c.body()) }

// StringValue returns a string value; that of a byte slice is a view of it.
func StringValue[S string | []byte](s S) Value { return Value{[]byte(s), ValueString} }

// BoolValue returns a bool value.
func BoolValue(v bool) Value {
	if v {
		return Value{encodedTrue[:], ValueBool}
	}
	return Value{encodedFalse[:], ValueBool}
}

var encodedFalse, encodedTrue = [1]byte{0}, [1]byte{1}

// IntValue returns an integer value.
func IntValue(v int64) Value {
	return Value{AppendVarint(make([]byte, 0, 10), uint64(v)), ValueInt}
}

// DoubleValue returns a float64 value.
func DoubleValue(v float64) Value {
	return Value{binary.LittleEndian.AppendUint64(make([]byte, 0, 8), math.Float64bits(v)), ValueDouble}
}

// AppendValue appends a message field with the value, such as a log body.
func AppendValue(dst []byte, field int, v Value) []byte {
	n := 0
	switch v.kind {
	case ValueEmpty:
	case ValueBool, ValueInt, ValueDouble:
		n = 1 + len(v.b)
	default:
		n = 1 + SizeVarint(uint64(len(v.b))) + len(v.b)
	}
	return v.appendBody(AppendVarint(AppendTag(dst, field, TypeBytes), uint64(n)))
}

func (v Value) appendBody(dst []byte) []byte {
	switch v.kind {
	case ValueEmpty:
		return dst
	case ValueBool, ValueInt, ValueDouble:
		dst = append(dst, valueTags[v.kind])
	default:
		dst = AppendVarint(append(dst, valueTags[v.kind]), uint64(len(v.b)))
	}
	return append(dst, v.b...)
}

var valueTags = [...]byte{
	ValueEmpty: 0, ValueString: FieldValueString<<3 | TypeBytes, ValueBool: FieldValueBool<<3 | TypeVarint,
	ValueInt: FieldValueInt<<3 | TypeVarint, ValueDouble: FieldValueDouble<<3 | TypeFixed64,
	ValueArray: FieldValueArray<<3 | TypeBytes, ValueMap: FieldValueMap<<3 | TypeBytes,
	ValueBytes: FieldValueBytes<<3 | TypeBytes,
}

// MapValue returns a map value with the given KeyValueList body, ListValue an array with an ArrayValue body.
func MapValue(body []byte) Value { return Value{body, ValueMap} }

// ListValue is described at MapValue.
func ListValue(body []byte) Value { return Value{body, ValueArray} }
