package wire

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Protobuf wire types, for AppendTag.
const (
	TypeVarint  = 0
	TypeFixed64 = 1
	TypeBytes   = 2
	TypeFixed32 = 5
)

// SizeVarint returns how many bytes AppendVarint writes for v.
func SizeVarint(v uint64) int {
	return (bits.Len64(v|1) + 6) / 7
}

// AppendVarint appends v in its shortest form.
func AppendVarint(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// AppendTag appends a field tag.
func AppendTag(dst []byte, field, wiretype int) []byte {
	return AppendVarint(dst, uint64(field)<<3|uint64(wiretype))
}

// AppendUint appends a varint field. Pass a negative int32 or enum as uint64(int64(v)).
func AppendUint(dst []byte, field int, v uint64) []byte {
	return AppendVarint(AppendTag(dst, field, TypeVarint), v)
}

// AppendSint appends a zigzag (sint32) field.
func AppendSint(dst []byte, field int, v int32) []byte {
	return AppendUint(dst, field, uint64(uint32(v<<1)^uint32(v>>31)))
}

// AppendBool appends a bool field.
func AppendBool(dst []byte, field int, v bool) []byte {
	var n uint64
	if v {
		n = 1
	}
	return AppendUint(dst, field, n)
}

// AppendFixed64 appends a fixed64 or sfixed64 field.
func AppendFixed64(dst []byte, field int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(AppendTag(dst, field, TypeFixed64), v)
}

// AppendFixed32 appends a fixed32 field.
func AppendFixed32(dst []byte, field int, v uint32) []byte {
	return binary.LittleEndian.AppendUint32(AppendTag(dst, field, TypeFixed32), v)
}

// AppendDouble appends a double field.
func AppendDouble(dst []byte, field int, v float64) []byte {
	return AppendFixed64(dst, field, math.Float64bits(v))
}

// AppendBytes appends a bytes or message field with body b.
func AppendBytes(dst []byte, field int, b []byte) []byte {
	dst = AppendVarint(AppendTag(dst, field, TypeBytes), uint64(len(b)))
	return append(dst, b...)
}

// AppendString appends a string field. s must be valid UTF-8.
func AppendString(dst []byte, field int, s string) []byte {
	dst = AppendVarint(AppendTag(dst, field, TypeBytes), uint64(len(s)))
	return append(dst, s...)
}

// AppendPackedFixed64 appends a packed fixed64 field.
func AppendPackedFixed64(dst []byte, field int, vs []uint64) []byte {
	dst = AppendVarint(AppendTag(dst, field, TypeBytes), uint64(8*len(vs)))
	for _, v := range vs {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

// AppendPackedDouble appends a packed double field.
func AppendPackedDouble(dst []byte, field int, vs []float64) []byte {
	dst = AppendVarint(AppendTag(dst, field, TypeBytes), uint64(8*len(vs)))
	for _, v := range vs {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	return dst
}

// AppendPackedUint appends a packed varint field.
func AppendPackedUint(dst []byte, field int, vs []uint64) []byte {
	n := 0
	for _, v := range vs {
		n += SizeVarint(v)
	}
	dst = AppendVarint(AppendTag(dst, field, TypeBytes), uint64(n))
	for _, v := range vs {
		dst = AppendVarint(dst, v)
	}
	return dst
}

// BeginMessage starts a nested message of unknown length. Append its body, then call EndMessage with mark.
func BeginMessage(dst []byte, field int) (_ []byte, mark int) {
	dst = append(AppendTag(dst, field, TypeBytes), 0)
	return dst, len(dst)
}

// EndMessage writes the length of the message begun at mark. It moves bodies of 128 bytes or more; if the length is
// known beforehand, AppendBytes is cheaper.
func EndMessage(dst []byte, mark int) []byte {
	return endReserved(dst, mark, 1)
}

// endReserved writes the length of dst[mark:] into the reserved bytes before mark, and moves the body if it needs
// more or fewer.
func endReserved(dst []byte, mark, reserved int) []byte {
	n := len(dst) - mark
	need := SizeVarint(uint64(n))
	switch {
	case need > reserved:
		var room [10]byte
		dst = append(dst, room[:need-reserved]...)
		copy(dst[mark+need-reserved:], dst[mark:mark+n])
	case need < reserved:
		copy(dst[mark-reserved+need:], dst[mark:])
		dst = dst[:len(dst)-reserved+need]
	}
	putVarint(dst[mark-reserved:], uint64(n))
	return dst
}

func putVarint(b []byte, v uint64) {
	i := 0
	for v >= 0x80 {
		b[i] = byte(v) | 0x80
		v >>= 7
		i++
	}
	b[i] = byte(v)
}

// AppendStringAttribute appends a KeyValue with a string value as a field of a message.
func AppendStringAttribute(dst []byte, field int, key, value string) []byte {
	dst = appendKeyValue(dst, field, key, 1+SizeVarint(uint64(len(value)))+len(value))
	return AppendString(dst, FieldValueString, value)
}

// AppendBytesAttribute is AppendStringAttribute for a value in bytes, which must be valid UTF-8.
func AppendBytesAttribute(dst []byte, field int, key string, value []byte) []byte {
	dst = appendKeyValue(dst, field, key, 1+SizeVarint(uint64(len(value)))+len(value))
	return AppendBytes(dst, FieldValueString, value)
}

// AppendIntAttribute appends a KeyValue with an integer value.
func AppendIntAttribute(dst []byte, field int, key string, value int64) []byte {
	dst = appendKeyValue(dst, field, key, 1+SizeVarint(uint64(value)))
	return AppendUint(dst, FieldValueInt, uint64(value))
}

// AppendDoubleAttribute appends a KeyValue with a double value.
func AppendDoubleAttribute(dst []byte, field int, key string, value float64) []byte {
	dst = appendKeyValue(dst, field, key, 9)
	return AppendDouble(dst, FieldValueDouble, value)
}

// AppendBoolAttribute appends a KeyValue with a bool value.
func AppendBoolAttribute(dst []byte, field int, key string, value bool) []byte {
	dst = appendKeyValue(dst, field, key, 2)
	return AppendBool(dst, FieldValueBool, value)
}

// appendKeyValue appends a KeyValue without its AnyValue body of n bytes.
func appendKeyValue(dst []byte, field int, key string, n int) []byte {
	value := 1 + SizeVarint(uint64(n)) + n
	dst = AppendTag(dst, field, TypeBytes)
	dst = AppendVarint(dst, uint64(1+SizeVarint(uint64(len(key)))+len(key)+value))
	dst = AppendString(dst, FieldKeyValueKey, key)
	dst = AppendTag(dst, FieldKeyValueValue, TypeBytes)
	return AppendVarint(dst, uint64(n))
}
