package ottl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

// A kind is the type of a value at run time.
type kind uint8

const (
	kindNil kind = iota
	kindString
	kindBool
	kindInt
	kindDouble
	kindBytes
	kindMap
	kindSlice
	kindTraceID
	kindSpanID
	kindTime
	kindDuration
	kindCount
)

var kindNames = [kindCount]string{"nil", "a string", "a bool", "an integer", "a double", "bytes", "a map", "a list",
	"a trace id", "a span id", "a time", "a duration"}

// A value is what an expression gives. It is a view: of the request, of what was edited, or of the record's arena.
type value struct {
	b    []byte // text, bytes and ids; of a list its ArrayValue body; of a map a message with entries
	n    uint64 // bits of a bool, int or double; ns of a time or duration
	kind kind
	tag  byte // of a map's entries in b
}

const (
	entryTag   = wire.FieldMapValues<<3 | wire.TypeBytes
	elementTag = wire.FieldArrayValues<<3 | wire.TypeBytes
)

func textValue(b []byte) value    { return value{b: b, kind: kindString} }
func intValue(n int64) value      { return value{n: uint64(n), kind: kindInt} }
func doubleValue(f float64) value { return value{n: math.Float64bits(f), kind: kindDouble} }
func mapValue(run []byte) value   { return value{b: run, kind: kindMap, tag: entryTag} }
func timeValue(t time.Time) value { return value{n: uint64(t.UnixNano()), kind: kindTime} }
func boolValue(b bool) value {
	if b {
		return value{n: 1, kind: kindBool}
	}
	return value{kind: kindBool}
}

func (v value) int() int64      { return int64(v.n) }
func (v value) double() float64 { return math.Float64frombits(v.n) }
func (v value) bool() bool      { return v.n != 0 }
func (v value) time() time.Time { return time.Unix(0, int64(v.n)).UTC() }

func (v value) entries() wire.Attributes { return wire.Entries(v.b, v.tag) }

// elements walks a list.
func (v value) elements() wire.Values { return v.wire().Array() }

// wire is a list or a map with the usual tag as a wire.Value, for the cursors.
func (v value) wire() wire.Value {
	switch v.kind {
	case kindSlice:
		return wire.ListValue(v.b)
	case kindMap:
		return wire.MapValue(v.b)
	}
	return wire.Value{}
}

func (v value) len() int {
	n := 0
	switch v.kind {
	case kindMap:
		for c := v.entries(); c.Next(); {
			n++
		}
	case kindSlice:
		for c := v.elements(); c.Next(); {
			n++
		}
	}
	return n
}

// get finds the first entry of a map.
func (v value) get(key []byte) (wire.Value, bool) {
	for c := v.entries(); c.Next(); {
		if string(c.Key()) == string(key) {
			return c.Value(), true
		}
	}
	return wire.Value{}, false
}

// at finds an element of a list.
func (v value) at(index int64) (wire.Value, bool) {
	for c := v.elements(); c.Next(); index-- {
		if index == 0 {
			return c.Value(), true
		}
	}
	return wire.Value{}, false
}

func fromWire(w wire.Value) value {
	switch w.Kind() {
	case wire.ValueString:
		return textValue(w.Str())
	case wire.ValueBool:
		return boolValue(w.Bool())
	case wire.ValueInt:
		return intValue(w.Int())
	case wire.ValueDouble:
		return doubleValue(w.Double())
	case wire.ValueArray:
		return value{b: w.Payload(), kind: kindSlice}
	case wire.ValueMap:
		return mapValue(w.Payload())
	case wire.ValueBytes:
		return value{b: w.Bytes(), kind: kindBytes}
	}
	return value{}
}

var errNotStorable = errors.New("a time, duration or id cannot be the value of an attribute or body; convert it with UnixNano, FormatTime or .string")

// appendAny appends the AnyValue body of a value.
func (v value) appendAny(dst []byte) ([]byte, error) {
	switch v.kind {
	case kindNil:
	case kindString:
		dst = wire.AppendBytes(dst, wire.FieldValueString, v.b)
	case kindBool:
		dst = wire.AppendBool(dst, wire.FieldValueBool, v.bool())
	case kindInt:
		dst = wire.AppendUint(dst, wire.FieldValueInt, v.n)
	case kindDouble:
		dst = wire.AppendFixed64(dst, wire.FieldValueDouble, v.n)
	case kindBytes:
		dst = wire.AppendBytes(dst, wire.FieldValueBytes, v.b)
	case kindSlice:
		dst = wire.AppendBytes(dst, wire.FieldValueArray, v.b)
	case kindMap:
		if v.tag == entryTag && v.plain() {
			return wire.AppendBytes(dst, wire.FieldValueMap, v.b), nil
		}
		var mark int
		dst, mark = wire.BeginMessage(dst, wire.FieldValueMap)
		for c := v.entries(); c.Next(); {
			dst = wire.AppendBytes(dst, wire.FieldMapValues, c.Bytes())
		}
		dst = wire.EndMessage(dst, mark)
	default:
		return dst, errNotStorable
	}
	return dst, nil
}

// plain reports whether a map's bytes have nothing but entries, as those of an AnyValue have; a Resource has more.
func (v value) plain() bool {
	for f := wire.MessageFields(v.b); f.Next(); {
		if f.Number() != wire.FieldMapValues {
			return false
		}
	}
	return true
}

// appendText appends the text of any value, as contrib's StringLikeGetter makes it.
func (v value) appendText(dst []byte) ([]byte, error) {
	switch v.kind {
	case kindString:
		return append(dst, v.b...), nil
	case kindBytes, kindTraceID, kindSpanID:
		return appendHex(dst, v.b), nil
	case kindDouble:
		if f := v.double(); math.IsNaN(f) || math.IsInf(f, 0) {
			return dst, errNoText
		}
	case kindTime:
		return append(v.time().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"'), nil
	case kindInt, kindDuration:
		return strconv.AppendInt(dst, v.int(), 10), nil
	case kindBool:
		return strconv.AppendBool(dst, v.bool()), nil
	case kindNil:
		return dst, nil
	}
	var room [12]byte
	body := room[:0]
	if v.kind == kindMap || v.kind == kindSlice {
		mark := len(dst)
		return escapeMarkup(v.asWire().AppendText(dst), mark), nil
	}
	body, err := v.appendAny(body)
	if err != nil {
		return dst, err
	}
	return wire.ParseValue(body).AppendText(dst), nil
}

var errNoText = errors.New("NaN and infinities have no text")

// asWire is a map or list as a wire.Value, whatever tag its entries have.
func (v value) asWire() wire.Value {
	if v.kind == kindMap && !(v.tag == entryTag && v.plain()) {
		body, _ := v.appendAny(nil)
		return wire.ParseValue(body)
	}
	return v.wire()
}

// escapeMarkup escapes in JSON what could be read as HTML, as Go's encoder does.
func escapeMarkup(b []byte, from int) []byte {
	if bytes.IndexAny(b[from:], "<>&\u2028\u2029") < 0 {
		return b
	}
	var out []byte
	for _, c := range string(b[from:]) {
		switch c {
		case '<', '>', '&', '\u2028', '\u2029':
			out = append(out, '\\', 'u', hexDigits[c>>12&15], hexDigits[c>>8&15], hexDigits[c>>4&15], hexDigits[c&15])
		default:
			out = utf8.AppendRune(out, c)
		}
	}
	return append(b[:from], out...)
}

const hexDigits = "0123456789abcdef"

func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

func appendVarintField(dst []byte, number int, v uint64) []byte {
	return wire.AppendUint(dst, number, v)
}

func appendFixed32Field(dst []byte, number int, v uint32) []byte {
	return binary.LittleEndian.AppendUint32(wire.AppendTag(dst, number, wire.TypeFixed32), v)
}
