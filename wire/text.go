package wire

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// AppendText appends the text of pdata's Value.AsString: strings as they are, numbers in shortest form, bytes in
// base64, arrays and maps as JSON with sorted keys. Only maps allocate.
func (v Value) AppendText(dst []byte) []byte {
	switch v.kind {
	case ValueString:
		return append(dst, v.b...)
	case ValueBool:
		return strconv.AppendBool(dst, v.Bool())
	case ValueInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case ValueDouble:
		return appendDoubleText(dst, v.Double())
	case ValueBytes:
		return base64.StdEncoding.AppendEncode(dst, v.b)
	case ValueArray, ValueMap:
		if out, ok := v.appendJSON(dst); ok {
			return out
		}
	}
	return dst
}

// appendDoubleText appends a number, or OTLP's names for NaN and infinities.
func appendDoubleText(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	return appendNumber(dst, f)
}

// appendNumber appends a number as encoding/json does.
func appendNumber(dst []byte, f float64) []byte {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// appendJSON appends the value as JSON. It returns false for a number that JSON cannot write; pdata's text is then
// empty.
func (v Value) appendJSON(dst []byte) (_ []byte, ok bool) {
	switch v.kind {
	case ValueString:
		return appendQuoted(dst, v.b), true
	case ValueDouble:
		f := v.Double()
		return appendNumber(dst, f), !math.IsNaN(f) && !math.IsInf(f, 0)
	case ValueBytes:
		if len(v.b) == 0 {
			return append(dst, "null"...), true // as pdata, which holds no bytes as a nil slice
		}
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), v.b)
		return append(dst, '"'), true
	case ValueArray:
		dst = append(dst, '[')
		sep := false
		for c := v.Array(); c.Next(); sep = true {
			if sep {
				dst = append(dst, ',')
			}
			if dst, ok = c.Value().appendJSON(dst); !ok {
				return dst, false
			}
		}
		return append(dst, ']'), true
	case ValueMap:
		return v.appendObject(dst)
	case ValueEmpty:
		return append(dst, "null"...), true
	}
	return v.AppendText(dst), true
}

// appendObject appends a map as JSON: keys sorted, the last of equal keys wins.
func (v Value) appendObject(dst []byte) (_ []byte, ok bool) {
	type entry struct {
		key   []byte
		value Value
	}
	var entries []entry
	for c := v.Map(); c.Next(); {
		entries = append(entries, entry{c.Key(), c.Value()})
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return slices.Compare(a.key, b.key) })
	dst = append(dst, '{')
	sep := false
	for i, e := range entries {
		if i+1 < len(entries) && string(entries[i+1].key) == string(e.key) {
			continue
		}
		if sep {
			dst = append(dst, ',')
		}
		sep = true
		dst = append(appendQuoted(dst, e.key), ':')
		if dst, ok = e.value.appendJSON(dst); !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}

func appendQuoted(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c >= ' ':
				dst = append(dst, c)
			case c == '\n':
				dst = append(dst, '\\', 'n')
			case c == '\r':
				dst = append(dst, '\\', 'r')
			case c == '\t':
				dst = append(dst, '\\', 't')
			case c == '\b':
				dst = append(dst, '\\', 'b')
			case c == '\f':
				dst = append(dst, '\\', 'f')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, `\ufffd`...)
		case r == '\u2028' || r == '\u2029': // line ends in JavaScript
			dst = append(dst, '\\', 'u', '2', '0', '2', hex[r&15])
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return append(dst, '"')
}
