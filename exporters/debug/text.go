package debug

import (
	"encoding/hex"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

// appendSafe appends untrusted text and escapes terminal control characters as \x1b; line breaks and tabs stay.
func appendSafe(dst, s []byte) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		switch {
		case r == '\n', r == '\t', unicode.IsPrint(r):
			dst = append(dst, s[:n]...)
		case r < 0x80:
			dst = append(dst, '\\', 'x', "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
		default:
			dst = append(dst, `\u{`...)
			dst = strconv.AppendInt(dst, int64(r), 16)
			dst = append(dst, '}')
		}
		s = s[n:]
	}
	return dst
}

func appendValue(dst []byte, v wire.Value) []byte {
	if v.Kind() == wire.ValueString {
		return appendSafe(dst, v.Str())
	}
	return appendSafe(dst, v.AppendText(nil))
}

// typeNames are the names in the Collector's output.
var typeNames = [...]string{
	wire.ValueEmpty: "Empty", wire.ValueString: "Str", wire.ValueBool: "Bool", wire.ValueInt: "Int",
	wire.ValueDouble: "Double", wire.ValueArray: "Slice", wire.ValueMap: "Map", wire.ValueBytes: "Bytes",
}

func appendTyped(dst []byte, v wire.Value) []byte {
	dst = append(append(dst, typeNames[v.Kind()]...), '(')
	return append(appendValue(dst, v), ')')
}

func appendTime(dst []byte, ns uint64) []byte {
	return time.Unix(0, int64(ns)).UTC().AppendFormat(dst, "2006-01-02 15:04:05.999999999 -0700 MST")
}

func appendFloat(dst []byte, f float64) []byte { return strconv.AppendFloat(dst, f, 'f', 6, 64) }

func appendShort(dst []byte, f float64) []byte { return strconv.AppendFloat(dst, f, 'g', -1, 64) }

func appendHex(dst, id []byte) []byte { return hex.AppendEncode(dst, id) }
